"""Answers: JSON, problems, nothing; and no word of what serves them."""

from collections.abc import Mapping

import orjson
from aiohttp import web

from gateway.answers import ALWAYS, JSON, PROBLEM_JSON
from gateway.problems import Problem, problem_document, problem_headers


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a JSON document."""
    every = {**ALWAYS, **(headers or {})}
    return web.Response(body=orjson.dumps(data), status=status, content_type=JSON, headers=every)


def raw_response(body: bytes, *, content_type: str, headers: Mapping[str, str]) -> web.Response:
    """Answer with bytes in UTF-8 that were made before."""
    every = {**ALWAYS, **headers}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=every)


def empty_response() -> web.Response:
    """Answer that it is done."""
    return web.Response(status=web.HTTPNoContent.status_code, headers=ALWAYS)


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
        headers={**ALWAYS, **problem_headers(problem), **(headers or {})},
    )
