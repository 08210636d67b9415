"""Answers."""

import orjson

from gateway.problems import Code, Problem
from gateway.responses import empty_response, json_response, problem_response


def test_a_problem_is_a_problem_document_with_its_headers() -> None:
    """Extra members come after the standard ones."""
    response = problem_response(Problem(Code.UNKNOWN, "why"), extra={"id": "evt_1"})

    assert response.status == 503
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "1"
    assert isinstance(response.body, bytes)
    assert orjson.loads(response.body)["id"] == "evt_1"


def test_answers_do_not_tell_what_serves_them() -> None:
    """A version number in a header is a gift to scanners."""
    for response in (
        json_response({}),
        empty_response(),
        problem_response(Problem(Code.INTERNAL, "")),
    ):
        assert response.headers["Server"] == "hooklane"


def test_json_is_json() -> None:
    """Own headers come beside the standard ones."""
    response = json_response({"a": 1}, status=201, headers={"ETag": '"1"'})

    assert (response.status, response.body) == (201, b'{"a":1}')
    assert response.content_type == "application/json"
    assert response.headers["ETag"] == '"1"'
