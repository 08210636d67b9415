"""The closed list of codes and the problem document."""

import pytest

from gateway.problems import (
    STATUS,
    Code,
    FieldError,
    Problem,
    invalid,
    pointer_of,
    problem_document,
    problem_headers,
)


def test_the_codes_are_those_of_the_contract() -> None:
    """Clients switch on codes, so the list is closed."""
    assert {str(code) for code in Code} == {
        "invalid_request",
        "invalid_json",
        "unsupported_media_type",
        "too_large",
        "timeout",
        "unauthorized",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "conflict",
        "version_mismatch",
        "validation_failed",
        "url_not_allowed",
        "schema_violation",
        "quota_exceeded",
        "unavailable",
        "unknown",
        "internal",
    }


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_whole_document(code: Code) -> None:
    """A code without status or title would be a 500 at the worst moment."""
    document = problem_document(Problem(code, "why"))

    assert list(document) == ["type", "title", "status", "detail", "code"]
    assert document["status"] == STATUS[code]
    assert document["code"] == code.value
    assert 400 <= STATUS[code] < 600


def test_field_errors_are_listed_with_their_pointers() -> None:
    """A form can show each error beside its field."""
    problem = invalid([FieldError("/a", "bad"), FieldError("/b", "worse")])

    document = problem_document(problem)

    assert document["errors"] == [
        {"pointer": "/a", "detail": "bad"},
        {"pointer": "/b", "detail": "worse"},
    ]
    assert document["detail"] == "/a: bad (and 1 more)"


def test_pointers_escape_what_rfc_6901_escapes() -> None:
    """A header name may hold a tilde or, in a broken body, a slash."""
    assert pointer_of("headers", "a/b~c", 0) == "/headers/a~1b~0c/0"
    assert pointer_of() == ""


@pytest.mark.parametrize(
    ("problem", "headers"),
    [
        (Problem(Code.UNAUTHORIZED, ""), {"WWW-Authenticate": "Bearer"}),
        (
            Problem(Code.METHOD_NOT_ALLOWED, "", allow=("GET", "POST")),
            {"Allow": "GET, POST"},
        ),
        (Problem(Code.UNAVAILABLE, ""), {"Retry-After": "1"}),
        (Problem(Code.UNKNOWN, ""), {"Retry-After": "1"}),
        (Problem(Code.QUOTA_EXCEEDED, ""), {"Retry-After": "1"}),
        (Problem(Code.QUOTA_EXCEEDED, "", retry_after_s=None), {}),
        (Problem(Code.CONFLICT, ""), {}),
    ],
)
def test_statuses_bring_the_headers_they_demand(problem: Problem, headers: dict[str, str]) -> None:
    """401, 405, 429 and 503 are incomplete without."""
    assert problem_headers(problem) == headers
