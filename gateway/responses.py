"""Answers: JSON, problems, nothing; and no word of what serves them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from gateway.problems import Problem, problem_document, problem_headers

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"

_ALWAYS: Final = {"Server": "hooklane"}


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a JSON document."""
    every = {**_ALWAYS, **(headers or {})}
    return web.Response(body=orjson.dumps(data), status=status, content_type=JSON, headers=every)


def raw_response(body: bytes, *, content_type: str, headers: Mapping[str, str]) -> web.Response:
    """Answer with bytes in UTF-8 that were made before."""
    every = {**_ALWAYS, **headers}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=every)


def empty_response() -> web.Response:
    """Answer that it is done."""
    return web.Response(status=web.HTTPNoContent.status_code, headers=_ALWAYS)


def problem_bytes(problem: Problem) -> bytes:
    """Write a whole answer that ends its connection, for where there is no request to answer."""
    body = orjson.dumps(problem_document(problem))
    headers = {
        **_ALWAYS,
        **problem_headers(problem),
        "Content-Type": PROBLEM_JSON,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {problem.status:d} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem_response(
    problem: Problem,
    *,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Answer with a problem document; `extra` are further members of it."""
    document = problem_document(problem) | dict(extra or {})
    return web.Response(
        body=orjson.dumps(document),
        status=problem.status,
        content_type=PROBLEM_JSON,
        headers={**_ALWAYS, **problem_headers(problem), **(headers or {})},
    )
