"""Whatever is sent to whatever call: never a 5xx, and always an answer that OpenAPI describes."""

import asyncio
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.openapi import build_document
from gateway.routes import ROUTES, Route
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.gateway_api import GatewayApi

DOCUMENT: Any = build_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
GUARDED = [route for route in ROUTES if route.scope is not None]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(string.ascii_lowercase + string.digits + "._-:*", min_size=1, max_size=12),
    st.sampled_from(
        ["acme", "https://example.com/x", "whsec_", "$keys", "*", "v1", "2100-01-01T00:00:00Z"]
    ),
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
CONDITIONS = st.sampled_from(["*", '"1"', '"2", W/"3"', "1", "", "\u00ff"])


def like(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Make values that mostly fit a schema, and now and then do not at all."""
    return st.one_of(fitting(schema), fitting(schema), fitting(schema), ANY)


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Make values of the shape of a schema; limits are left to chance."""
    if "$ref" in schema:
        return fitting(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return st.one_of([fitting(one) for one in schema[choice]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    return make(schema) if (make := OF_TYPE.get(schema.get("type", ""))) else ANY


def _objects(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    known = schema.get("properties", {})
    required = schema.get("required", [])
    if not known:
        return st.dictionaries(TEXTS, ANY, max_size=3)
    return st.fixed_dictionaries(
        {name: like(known[name]) for name in required},
        optional={name: like(one) for name, one in known.items() if name not in required},
    )


OF_TYPE: dict[str, Callable[[Mapping[str, Any]], st.SearchStrategy[Any]]] = {
    "object": _objects,
    "array": lambda schema: st.lists(like(schema.get("items", {})), max_size=3),
    "string": lambda _: TEXTS,
    "integer": lambda _: st.integers(-2, 2_000_000) | st.integers(),
    "number": lambda _: st.floats(-1, 100) | st.integers(0, 10),
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[asyncio.Runner, GatewayApi]]:
    """Serve the API for all examples."""
    with asyncio.Runner() as runner:
        api = GatewayApi()
        runner.run(api.__aenter__())
        yield runner, api
        runner.run(api.__aexit__(None, None, None))


def _name(route: Route) -> str:
    return route.operation


@pytest.mark.parametrize("route", GUARDED, ids=_name)
@given(data=st.data())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_request_is_a_fault_of_the_gateway(
    served: tuple[asyncio.Runner, GatewayApi], route: Route, data: st.DataObject
) -> None:
    """Bodies that nearly fit, any bytes, any names, any conditions."""
    runner, api = served
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    names = st.sampled_from(["acme", "sub_1", "t"]) | TEXTS
    api.registry.put(raw_record("sub_1"), SEALED)
    place = {p["name"]: data.draw(names) for p in operation["parameters"] if p["in"] == "path"}
    path = route.path
    for name, value in place.items():
        path = path.replace("{" + name + "}", "".join(f"%{byte:02x}" for byte in value.encode()))
    headers: dict[str, str] = {}
    if "If-Match" in route.headers and data.draw(st.booleans()):
        headers["If-Match"] = data.draw(CONDITIONS)
    body = b""
    if route.request is not None:
        media_type, schema = data.draw(st.sampled_from(route.request.schemas))
        headers["Content-Type"] = media_type.replace("*/*", "text/plain")
        document = data.draw(like(SCHEMAS[schema]))
        body = data.draw(st.just(_bytes_of(document)) | st.binary(max_size=30))

    status, answer = runner.run(_send(api, route.method, path, body=body, headers=headers))

    assert status < 500, answer
    is_path = all(place.values()) and not set("{}") & set("".join(place.values()))
    assert str(status) in operation["responses"] or not is_path, (status, answer)
    if status >= 400:
        assert isinstance(answer, dict)
        assert answer["status"] == status
        assert PROBLEM.is_valid(answer), answer


def _bytes_of(document: object) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # integers beyond 64 bits, which are JSON all the same
        return b'{"n":123456789012345678901234567890}'


PROBLEM = jsonschema_rs.validator_for(
    {"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]}
)


async def _send(
    api: GatewayApi, method: str, path: str, *, body: bytes, headers: Mapping[str, str]
) -> tuple[int, object]:
    async with api.client.request(
        method, URL(path, encoded=True), data=body, headers=headers
    ) as response:
        raw = await response.read()
        return response.status, orjson.loads(raw) if raw else None
