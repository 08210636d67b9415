"""OpenAPI 3.1 of the API, made of the route table, the models of bodies and the other shapes.

Pure. `python -m gateway.openapi` writes docs/openapi.json and docs/api.md; tests fail when either
drifts. The running gateway serves the same bytes.
"""

import sys
from pathlib import Path
from typing import Final

import orjson
from pydantic.json_schema import models_json_schema

from gateway.api_keys import KeyBody
from gateway.bodies import FilterTestBody, SubscriptionBody
from gateway.event_types import EventTypeBody
from gateway.paging import LIMIT_DEFAULT, LIMIT_MAX
from gateway.problems import Code
from gateway.reference import render_markdown
from gateway.rotation import RotateBody
from gateway.routes import ROUTES, Answer, Request, Route
from gateway.shapes import SHAPES, STATUS_OF_CODE, Shape, closed, nullable, ref
from gateway.subscribers import SubscriberBody

MODELS: Final = (
    SubscriptionBody,
    RotateBody,
    FilterTestBody,
    SubscriberBody,
    EventTypeBody,
    KeyBody,
)
_FOLDER: Final = Path(__file__).parents[1] / "docs"
_REF: Final = "#/components/schemas/{model}"
_COMMON: Final = (Code.INVALID_REQUEST, Code.UNAVAILABLE, Code.INTERNAL)
_GUARDED: Final = (Code.UNAUTHORIZED, Code.FORBIDDEN)
_WITH_BODY: Final = (
    Code.INVALID_JSON,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.TOO_LARGE,
    Code.TIMEOUT,
)
_INTRODUCTION: Final = (
    "Send a key as `Authorization: Bearer <key>`. Every error is a problem document (RFC 9457) with"
    " a `code` of a closed list. What belongs to another subscriber than the key's is 404."
)
_PARAMETERS: Final[dict[str, Shape]] = {
    "limit": {
        "in": "query",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": LIMIT_MAX,
            "default": LIMIT_DEFAULT,
        },
    },
    "cursor": {
        "in": "query",
        "schema": {"type": "string"},
        "description": "`next_cursor` of the page before.",
    },
    "cascade": {
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "Also delete its subscriptions.",
    },
    "If-Match": {
        "in": "header",
        "schema": {"type": "string"},
        "description": "The ETag that was seen; another version is 412.",
    },
    "Idempotency-Key": {
        "in": "header",
        "schema": {"type": "string", "maxLength": 256},
        "description": "Without an `id`, a repeat with the same key is the same event.",
    },
}


def build_document() -> Shape:
    """Make the whole document."""
    paths: dict[str, Shape] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hooklane", "version": "v1", "description": _INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def render(document: Shape) -> bytes:
    """Write it, the same on every machine."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def _operation(route: Route) -> Shape:
    operation: Shape = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [route.group],
        "parameters": _parameters(route),
        "security": [{"key": []}] if route.scope is not None else [],
        "responses": _responses(route),
    }
    if route.scope is not None:
        operation["x-scope"] = route.scope
    if route.request is not None:
        operation["requestBody"] = _request_body(route.request)
    return operation


def _parameters(route: Route) -> list[Shape]:
    in_path: list[Shape] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in route.path.split("/")
        if part.startswith("{")
    ]
    named: list[Shape] = [
        {"name": name, **_PARAMETERS[name]} for name in (*route.query, *route.headers)
    ]
    return in_path + named


def _request_body(request: Request) -> Shape:
    content = {media_type: {"schema": ref(schema)} for media_type, schema in request.schemas}
    return {"required": not request.is_optional, "content": content}


def _responses(route: Route) -> Shape:
    responses: Shape = {str(int(answer.status)): _answer(answer) for answer in route.answers}
    problems = [*route.problems, *_COMMON]
    problems += _GUARDED if route.scope is not None else ()
    problems += _WITH_BODY if route.request is not None else ()
    if "{subscriber}" in route.path:
        problems.append(Code.NOT_FOUND)
    if route.is_configuring:
        problems.append(Code.QUOTA_EXCEEDED)
    if route.method != "GET" and route.scope is not None and route.group != "filters":
        problems.append(Code.UNKNOWN)  # it writes, and an answer of Kafka may not come in time
    codes: dict[int, list[str]] = {}
    for code in Code:
        if code in problems:
            codes.setdefault(STATUS_OF_CODE[code], []).append(str(code))
    for status, names in sorted(codes.items()):
        responses[str(status)] = {
            "description": "Refused: " + ", ".join(f"`{name}`" for name in names),
            "content": {"application/problem+json": {"schema": ref("Problem")}},
        }
    return responses


def _answer(answer: Answer) -> Shape:
    shape: Shape = {"description": answer.status.phrase}
    headers: Shape = {}
    if answer.has_etag:
        headers["ETag"] = {"schema": {"type": "string"}, "description": "The version."}
    if answer.has_location:
        headers["Location"] = {"schema": {"type": "string"}}
    if headers:
        shape["headers"] = headers
    if answer.schema is not None:
        shape["content"] = {"application/json": {"schema": ref(answer.schema)}}
    return shape


def _schemas() -> dict[str, Shape]:
    _, found = models_json_schema([(model, "validation") for model in MODELS], ref_template=_REF)
    models: dict[str, Shape] = {
        name: without_titles(shape) for name, shape in found["$defs"].items()
    }
    body = models["SubscriptionBody"]
    answers = {
        "SubscriptionPatch": patch_of(body, models),
        "Subscription": _subscription(body),
        "NewSubscription": _subscription(body, with_secret=True),
    }
    return dict(sorted({**models, **answers, **SHAPES}.items()))


def _subscription(body: Shape, *, with_secret: bool = False) -> Shape:
    """Make what is shown of a subscription out of what may be said about it."""
    said = {k: without_default(v) for k, v in properties_of(body).items() if k != "secret"}
    text: Shape = {"type": "string"}
    time: Shape = {"type": "string", "format": "date-time"}
    reasons: Shape = {"enum": ["manual", "gone", "receiver", "failing", "vault", None]}
    shown: Shape = {
        "id": text,
        "subscriber": text,
        **said,
        "url": {**nullable(text), "description": "Null when no vault key opens it."},
        "headers": {
            "type": "object",
            "additionalProperties": text,
            "description": "Values are masked.",
        },
        "status_reason": reasons,
        "version": {"type": "integer"},
        "created_at": time,
        "updated_at": time,
    }
    if with_secret:
        shown |= {"secret": text, "public_key": text}
    return closed(shown, optional=frozenset({"public_key"}))


def patch_of(shape: Shape, models: dict[str, Shape]) -> Shape:
    """Make the merge patch of an object: every member may be left out, or be null."""
    loosened: Shape = {}
    for name, member in properties_of(shape).items():
        inner = without_default(member)
        options = inner.get("anyOf", [inner])
        assert isinstance(options, list)
        loose = [_loosened(one, models) for one in options if one != {"type": "null"}]
        loosened[name] = {"anyOf": [*loose, {"type": "null"}]}
    return {"type": "object", "additionalProperties": False, "properties": loosened}


def _loosened(shape: Shape, models: dict[str, Shape]) -> Shape:
    name = str(shape.get("$ref", "")).rpartition("/")[2]
    if name in models and "properties" in models[name]:
        return patch_of(models[name], models)
    values = shape.get("additionalProperties")
    return (
        {**shape, "additionalProperties": nullable(values)} if isinstance(values, dict) else shape
    )


def properties_of(shape: Shape) -> dict[str, Shape]:
    """Give the members of an object."""
    properties = shape["properties"]
    assert isinstance(properties, dict)
    return properties


def without_default(shape: Shape) -> Shape:
    """Leave the default out: answers and patches have none."""
    return {name: value for name, value in shape.items() if name != "default"}


def without_titles(shape: Shape) -> Shape:
    """Leave out the titles that pydantic makes of names."""

    def cleaned(value: object, *, is_map: bool = False) -> object:
        if isinstance(value, dict):
            return {
                name: cleaned(inner, is_map=name == "properties" and not is_map)
                for name, inner in value.items()
                if is_map or name != "title"
            }
        return [cleaned(inner) for inner in value] if isinstance(value, list) else value

    result = cleaned(shape)
    assert isinstance(result, dict)
    return result


def main() -> int:
    """Write both documents."""
    document = build_document()
    (_FOLDER / "openapi.json").write_bytes(render(document))
    (_FOLDER / "api.md").write_text(render_markdown(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
