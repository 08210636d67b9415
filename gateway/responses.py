"""Answers: JSON, problems, and nothing else."""

from collections.abc import Mapping

import orjson
from aiohttp import web

from gateway.problems import Problem, problem_document, problem_headers

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a JSON document."""
    body = orjson.dumps(data)
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def problem_response(
    problem: Problem, *, extra: Mapping[str, object] | None = None
) -> web.Response:
    """Answer with a problem document; `extra` are further members of it."""
    document = problem_document(problem) | dict(extra or {})
    return web.Response(
        body=orjson.dumps(document),
        status=problem.status,
        content_type=PROBLEM_JSON,
        headers=problem_headers(problem),
    )
