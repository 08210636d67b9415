"""Cursor pages over places: texts that sort by the time of creation. Pure.

An id is a place. What has a name of its own gets one of its time and its name. A cursor is the last
place of its page, so a page stays where it is while newer things are created (they come before the
first page) and while the thing that was there is deleted. Version 1 of a cursor held a name.
"""

import base64
import binascii
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.problems import Code, FieldError, Problem, invalid, pointer_of

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 250
_LIMIT_DIGITS_MAX: Final = 3
_CURSOR_CHARS_MAX: Final = 400
_TIME_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What the query asks for; `before` is what ended the page before."""

    limit: int = LIMIT_DEFAULT
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What lies on one page, newest first, and the cursor of the next one."""

    names: tuple[str, ...]
    next_cursor: str | None


def parse_page(query: Sequence[tuple[str, str]]) -> PageRequest | Problem:
    """Read `limit` and `cursor`; anything else in the query is an error, as in a body."""
    limit, before = LIMIT_DEFAULT, None
    values = split_query(query, frozenset({"limit", "cursor"}))
    if isinstance(values, Problem):
        return values
    for name, value in values.items():
        if name == "limit":
            is_number = value.isascii() and value.isdigit() and len(value) <= _LIMIT_DIGITS_MAX
            limit = int(value) if is_number else 0
            if not 1 <= limit <= LIMIT_MAX:
                return wrong_query("limit", f"it is a number from 1 to {LIMIT_MAX}")
        else:
            before = _open_cursor(value)
            if before is None:
                return wrong_query("cursor", "it is not one that a list has returned")
    return PageRequest(limit, before)


def split_query(
    query: Sequence[tuple[str, str]], known: frozenset[str]
) -> dict[str, str] | Problem:
    """Read a query in which every parameter is known and occurs once."""
    names = [name for name, _ in query]
    if not known.issuperset(names):  # which one is not repeated: it may be a secret without a `=`
        detail = f"unknown query parameter; there are: {', '.join(sorted(known))}"
        return Problem(Code.VALIDATION_FAILED, detail, (FieldError("", detail),))
    for name in names:
        if names.count(name) > 1:
            return wrong_query(name, "it occurs twice")
    return dict(query)


def wrong_query(name: str, detail: str) -> Problem:
    """Say what is wrong with a query parameter, as with a field of a body."""
    return invalid([FieldError(pointer_of(name), detail)])


def place_of(name: str, created_ms: int) -> str:
    """Give something with a name its place, by when it was created (epoch ms)."""
    return f"{created_ms:0{_TIME_DIGITS}} {name}"


def name_at(place: str) -> str:
    """Return the name, or the id, that has a place; neither has blanks."""
    return place.rpartition(" ")[2]


def page_of(places: Sequence[str], request: PageRequest) -> Page:
    """Cut one page out of all places, which ascend; from the newest to the oldest."""
    end = len(places) if request.before is None else bisect_left(places, request.before)
    start = max(0, end - request.limit)
    names = tuple(name_at(place) for place in reversed(places[start:end]))
    return Page(names, _seal_cursor(places[start]) if start > 0 else None)


def _seal_cursor(place: str) -> str:
    return base64.urlsafe_b64encode(b"2:" + place.encode()).rstrip(b"=").decode()


def _open_cursor(cursor: str) -> str | None:
    if len(cursor) > _CURSOR_CHARS_MAX or not cursor.isascii():
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    version, _, place = text.partition(":")
    return place if version == "2" and place else None
