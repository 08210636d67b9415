"""Test events and filter tests over HTTP."""

from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.handlers.trials import below
from gateway.problems import Code, FieldError, Problem
from gateway.publish import NotPublished
from schemas.cloudevents import decode_event
from schemas.event import Event
from schemas.ids import webhook_id
from tests.fakes.gateway_api import GatewayApi

PATH = "/v1/subscribers/acme/subscriptions"
EVENT = {"subscriber": "acme", "type": "order.paid", "data": {"amount": 150}}


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


async def asked(
    api: GatewayApi, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, object]]:
    """Post; gives status and document."""
    data = None if body is None else orjson.dumps(body)
    sent = {} if body is None else {"Content-Type": "application/json"}
    async with api.client.post(path, data=data, headers=sent | headers) as response:
        return response.status, orjson.loads(await response.read())


async def created(api: GatewayApi, **fields: object) -> str:
    """Create a subscription; gives its id."""
    status, made = await asked(api, PATH, {"url": "https://example.com/", **fields})
    assert status == 201
    return str(made["id"])


@pytest.mark.parametrize("status", ["active", "paused"])
async def test_a_test_event_names_its_subscription(api: GatewayApi, status: str) -> None:
    """It is an event like any other, but for whom it is meant; paused ones get it too."""
    subscription = await created(api, status=status, filter={"type": "never"})

    code, answer = await asked(api, f"{PATH}/{subscription}/test")

    (record,) = api.publisher.records
    event = decode_event(record.key, record.value, record.headers)
    assert isinstance(event, Event)
    assert (code, answer) == (202, {"webhook_id": webhook_id("acme", "/hooklane", event.id)})
    assert (event.type, event.target, event.kind) == ("hooklane.test", subscription, "test")
    assert orjson.loads(event.data or b"")["subscription"] == subscription


async def test_a_disabled_one_gets_none(api: GatewayApi) -> None:
    """Nothing is written; one that is not there is not found."""
    subscription = await created(api, status="disabled")

    disabled, _ = await asked(api, f"{PATH}/{subscription}/test", {})
    missing, _ = await asked(api, f"{PATH}/sub_x/test", {})
    fields, problem = await asked(api, f"{PATH}/{subscription}/test", {"type": "x"})

    assert (disabled, missing, fields) == (409, 404, 422)
    assert problem["code"] == "validation_failed"
    assert api.publisher.records == []


async def test_a_test_that_kafka_does_not_take_is_told(api: GatewayApi) -> None:
    """As for any event."""
    subscription = await created(api)
    api.publisher.outcomes = [NotPublished(was_tried=True)]

    status, problem = await asked(api, f"{PATH}/{subscription}/test")

    assert (status, problem["code"]) == (503, "unknown")


async def test_test_events_count_against_the_quota(api: GatewayApi) -> None:
    """Else they were a way round it."""
    subscription = await created(api)
    body = {"quota": {"events_per_second": 0.1, "burst": 1}}
    async with api.client.put("/v1/subscribers/acme", json=body) as response:
        assert response.status == 201

    statuses = [(await asked(api, f"{PATH}/{subscription}/test"))[0] for _ in range(2)]

    assert statuses == [202, 429]


@pytest.mark.parametrize(
    ("body", "matches"),
    [
        ({"event": EVENT}, True),
        ({"event": EVENT, "filter": {"data.amount": {"$gte": 100}}}, True),
        ({"event": EVENT, "filter": {"data.amount": {"$lt": 100}}}, False),
        ({"event": EVENT, "event_types": ["order.*"]}, True),
        ({"event": EVENT, "event_types": ["invoice.*"]}, False),
    ],
)
async def test_a_filter_is_tried_by_its_engine(
    api: GatewayApi, body: dict[str, object], matches: bool
) -> None:
    """With a line for each fact; nothing is written."""
    status, verdict = await asked(api, "/v1/filters/test", body)

    assert (status, verdict["matches"]) == (200, matches)
    assert verdict["why"]
    assert api.publisher.records == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/event"),
        ({"event": 5}, "/event"),
        ({"event": {}}, "/event/subscriber"),
        ({"event": {**EVENT, "x": 1}}, "/event/x"),
        ({"event": EVENT, "filter": {"data.a": {"$regex": "x"}}}, "/filter/data.a/$regex"),
        ({"event": EVENT, "filter": 5}, "/filter"),
        ({"event": EVENT, "event_types": []}, "/event_types"),
        ({"event": EVENT, "x": 1}, "/x"),
    ],
)
async def test_a_wrong_field_of_a_filter_test_names_itself(
    api: GatewayApi, body: dict[str, object], pointer: str
) -> None:
    """Also inside of the event and of the filter."""
    status, problem = await asked(api, "/v1/filters/test", body)

    assert status == 422
    assert problem["errors"][0]["pointer"] == pointer  # type: ignore[index]


async def test_a_bound_key_tries_events_of_its_own_subscriber(api: GatewayApi) -> None:
    """Others do not exist for it."""
    key_body = {"name": "k", "scopes": ["subscriptions:read"], "subscriber": "globex"}
    _, made = await asked(api, "/v1/keys", key_body)
    headers = {"Authorization": f"Bearer {made['key']}"}

    foreign, _ = await asked(api, "/v1/filters/test", {"event": EVENT}, **headers)
    own_event = EVENT | {"subscriber": "globex"}
    own, _ = await asked(api, "/v1/filters/test", {"event": own_event}, **headers)

    assert (foreign, own) == (404, 200)


def test_a_problem_of_a_part_is_moved_to_its_place() -> None:
    """Pointers lead from the root of the body."""
    whole = Problem(Code.INVALID_JSON, "nested deeper than 64 levels")
    part = Problem(Code.VALIDATION_FAILED, "x", (FieldError("/time", "no"),))

    assert below(whole, "/event").detail == "/event: nested deeper than 64 levels"
    assert below(part, "/event").errors == (FieldError("/event/time", "no"),)
