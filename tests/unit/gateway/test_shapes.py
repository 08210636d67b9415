"""The shapes, held against real answers of every call."""

from collections.abc import AsyncIterator

import jsonschema_rs
import orjson
import pytest

from gateway.openapi import build_document
from gateway.routes import ROUTES
from gateway.shapes import closed, nullable, page_of_shape, ref
from tests.fakes.gateway_api import GatewayApi

DOCUMENT = build_document()
URL = "https://example.com/hook"
SCHEMA = {"type": "object", "required": ["a"]}
EVENT = {"subscriber": "acme", "type": "t", "data": {}}
QUOTA = {"events_per_second": 50.0, "burst": 20, "subscriptions": 9}
SUBSCRIPTIONS = "/v1/subscribers/acme/subscriptions"


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


def check(method: str, path: str, status: int, document: object) -> str:
    """Hold an answer against the description of its call; gives the operation."""
    (route,) = (one for one in ROUTES if one.method == method and one.path == path)
    paths = DOCUMENT["paths"]
    assert isinstance(paths, dict)
    response = paths[path][method.lower()]["responses"][str(status)]
    (content,) = response["content"].values()
    components = DOCUMENT["components"]
    assert isinstance(components, dict)
    schema = {**content["schema"], "components": components}
    assert jsonschema_rs.validator_for(schema).is_valid(document), (path, status, document)
    shape = components["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    choices = (
        [components["schemas"][one["$ref"].rpartition("/")[2]] for one in shape["oneOf"]]
        if "oneOf" in shape
        else [shape]
    )
    assert isinstance(document, dict)
    assert any(set(document) <= set(one["properties"]) for one in choices), "not described"
    return route.operation


async def test_every_answer_has_its_shape(api: GatewayApi) -> None:
    """All that answer with a body; members that are not described fail too."""
    seen: set[str] = set()

    async def ask(method: str, path: str, body: object = None, **names: str) -> dict[str, object]:
        async with api.client.request(method, path.format(**names), json=body) as response:
            document = orjson.loads(await response.read())
            assert response.status < 300, document
            seen.add(check(method, path, response.status, document))
            assert isinstance(document, dict)
            return document

    subscriber, one = "/v1/subscribers/{subscriber}", "/v1/event-types/{event_type}"
    listed, item = subscriber + "/subscriptions", subscriber + "/subscriptions/{subscription}"
    for body in ({"url": URL}, {"url": URL, "signature": "v1a", "filter": {"type": "t"}}):
        made = await ask("POST", listed, body, subscriber="acme")
    place = {"subscriber": "acme", "subscription": str(made["id"])}
    await ask("GET", listed, subscriber="acme")
    await ask("GET", item, **place)
    await ask("PATCH", item, {"rate_limit": {"per_second": 2.5}}, **place)
    await ask("POST", item + "/rotate-secret", {}, **place)
    await ask("GET", item + "/secret", **place)
    await ask("POST", item + "/test", {}, **place)
    await ask("POST", "/v1/filters/test", {"event": EVENT})
    await ask("GET", subscriber, subscriber="acme")
    for _ in range(2):
        await ask("PUT", subscriber, {"name": "A", "quota": QUOTA}, subscriber="acme")
    await ask("GET", "/v1/subscribers")
    for _ in range(2):
        await ask("PUT", one, {"schema": SCHEMA, "validation": "warn"}, event_type="t")
    await ask("GET", one, event_type="t")
    await ask("GET", "/v1/event-types")
    await ask("POST", "/v1/events", EVENT)
    await ask("POST", "/v1/events/batch", [EVENT, {}])
    quota = {"events_per_second": 1}
    key_body = {"name": "k", "scopes": ["replay"], "expires_at": "2100-01-01T00:00:00Z"}
    await ask("POST", "/v1/keys", key_body | {"quota": quota, "subscriber": "acme"})
    await ask("GET", "/v1/keys")

    with_body = {
        r.operation for r in ROUTES if any(a.schema not in {None, "OpenApi"} for a in r.answers)
    }
    assert seen == with_body


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/events", {}, 422),
        ("POST", "/v1/events/batch", [{}], 422),
        ("POST", SUBSCRIPTIONS, {"url": "https://localhost/"}, 422),
        ("GET", SUBSCRIPTIONS + "?limit=0", None, 422),
        ("GET", SUBSCRIPTIONS + "/sub_x", None, 404),
    ],
)
async def test_every_refusal_is_a_problem_of_the_closed_list(
    api: GatewayApi, method: str, path: str, body: object, status: int
) -> None:
    """With what belongs to it, and no more."""
    async with api.client.request(method, path, json=body) as response:
        document = orjson.loads(await response.read())

    route = (
        path.partition("?")[0].replace("acme", "{subscriber}").replace("sub_x", "{subscription}")
    )
    assert response.status == status
    check(method, route, status, document)


def test_small_shapes() -> None:
    """What the larger ones are made of."""
    assert ref("X") == {"$ref": "#/components/schemas/X"}
    assert nullable({"type": "string"}) == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert closed({"a": {}, "b": {}}, optional=frozenset({"b"}))["required"] == ["a"]
    assert page_of_shape("X")["required"] == ["items", "next_cursor"]
