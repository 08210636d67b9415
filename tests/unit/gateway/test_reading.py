"""Reading of requests; time and size bounds are tried over a socket in handlers/test_events.py."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.problems import Code, RefusedError
from gateway.reading import header_of, media_type_of


def request_with(*headers: tuple[str, str]) -> web.Request:
    """Make a request that has only a head."""
    return make_mocked_request("POST", "/", headers=CIMultiDict(headers))


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=UTF-8", "application/json"),
        ('application/json;charset="utf-8"', "application/json"),
        ("application/json ; profile=x; charset=us-ascii", "application/json"),
        ("", ""),
    ],
)
def test_media_types_ignore_case_and_parameters(content_type: str, media_type: str) -> None:
    """UTF-8 may be said in any way, or not at all."""
    assert media_type_of(request_with(("Content-Type", content_type))) == media_type


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("Content-Type", "a/b; charset=latin-1")], Code.UNSUPPORTED_MEDIA_TYPE),
        ([("Content-Type", "a/b; charset=")], Code.UNSUPPORTED_MEDIA_TYPE),
        ([("Content-Encoding", "gzip")], Code.UNSUPPORTED_MEDIA_TYPE),
        ([("Content-Encoding", "")], Code.UNSUPPORTED_MEDIA_TYPE),
        ([("Content-Type", "a/b"), ("Content-Type", "a/c")], Code.INVALID_REQUEST),
    ],
)
def test_other_encodings_are_refused(headers: list[tuple[str, str]], code: Code) -> None:
    """We never inflate and never guess."""
    with pytest.raises(RefusedError) as refused:
        media_type_of(request_with(*headers))

    assert refused.value.problem.code is code


def test_identity_is_no_encoding() -> None:
    """Some clients say so."""
    assert media_type_of(request_with(("Content-Encoding", "Identity"))) == ""


def test_a_header_that_may_occur_once_occurs_once() -> None:
    """Two of them are two opinions."""
    assert header_of(request_with(), "Idempotency-Key") is None
    assert header_of(request_with(("idempotency-key", "a")), "Idempotency-Key") == "a"
    with pytest.raises(RefusedError):
        header_of(request_with(("X", "a"), ("X", "b")), "X")
