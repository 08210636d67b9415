"""Cursor pages."""

import base64

import pytest

from gateway.paging import Page, PageRequest, name_at, page_of, parse_page, place_of
from gateway.problems import Code, Problem

IDS = [f"sub_{n:02}" for n in range(10)]


def follow(ids: list[str], limit: int) -> list[str]:
    """Walk through all pages by their cursors."""
    seen: list[str] = []
    request: PageRequest | Problem = PageRequest(limit)
    while True:
        assert isinstance(request, PageRequest)
        page = page_of(ids, request)
        seen += page.names
        if page.next_cursor is None:
            return seen
        request = parse_page([("limit", str(limit)), ("cursor", page.next_cursor)])


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 11])
def test_pages_show_everything_once_newest_first(limit: int) -> None:
    """The end is told by a null cursor, also when the last page is full."""
    assert follow(IDS, limit) == IDS[::-1]


def test_the_last_page_has_no_cursor() -> None:
    """A client must not ask for a page that is always empty."""
    assert page_of(IDS, PageRequest(10)).next_cursor is None
    assert page_of(IDS, PageRequest(5, before="sub_05")).next_cursor is None
    assert page_of(IDS, PageRequest(5)).next_cursor is not None


def test_pages_are_stable_while_things_come_and_go() -> None:
    """A cursor stays good when new things appear and its own thing is deleted."""
    first = page_of(IDS, PageRequest(4))
    later = [*(one for one in IDS if one != "sub_06"), "sub_10", "sub_11"]

    request = parse_page([("cursor", first.next_cursor or "")])

    assert isinstance(request, PageRequest)
    assert page_of(later, request).names == tuple(IDS[5::-1])


def test_what_nobody_asked_for_is_not_repeated() -> None:
    """It may be a secret that lost its name; what there is is told instead."""
    problem = parse_page([("whsec_abc", "")])

    assert isinstance(problem, Problem)
    assert "whsec" not in str(problem)
    assert problem.detail == "unknown query parameter; there are: cursor, limit"


def test_a_cursor_of_an_earlier_version_is_refused() -> None:
    """It held a name and would begin at the first page again and again."""
    old = base64.urlsafe_b64encode(b"1:acme").rstrip(b"=").decode()

    assert isinstance(parse_page([("cursor", old)]), Problem)


def test_what_has_a_name_lies_where_its_time_is() -> None:
    """Two of one moment by their names."""
    places = sorted([place_of("b", 5), place_of("a", 10), place_of("c", 5), place_of("z", 0)])

    assert [name_at(place) for place in places] == ["z", "b", "c", "a"]
    assert page_of(places, PageRequest(3)).names == ("a", "c", "b")
    assert follow(places, 2) == ["a", "c", "b", "z"]
    assert name_at("sub_01") == "sub_01"


def test_nothing_is_an_empty_page() -> None:
    """A subscriber that nobody knows has no subscriptions."""
    assert page_of([], PageRequest()) == Page((), None)


def test_limits_default_to_50() -> None:
    """And the first page needs no cursor."""
    assert parse_page([]) == PageRequest(50, None)
    assert parse_page([("limit", "250")]) == PageRequest(250, None)


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "0")],
        [("limit", "251")],
        [("limit", "-1")],
        [("limit", "x")],
        [("limit", "")],
        [("limit", "1e2")],
        [("limit", "٣")],
        [("limit", "9" * 5000)],
        [("limit", "1"), ("limit", "2")],
        [("cursor", "")],
        [("cursor", "!")],
        [("cursor", "é")],
        [("cursor", "Mjo")],
        [("cursor", "Mzphbg")],
        [("cursor", "_w")],
        [("cursor", "A" * 10_000)],
        [("page", "2")],
    ],
)
def test_other_queries_are_refused(query: list[tuple[str, str]]) -> None:
    """A mistyped parameter must not silently show the first page."""
    problem = parse_page(query)

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    pointer = "" if query[0][0] == "page" else f"/{query[0][0]}"
    assert [error.pointer for error in problem.errors] == [pointer]
