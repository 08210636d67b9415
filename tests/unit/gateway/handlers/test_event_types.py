"""Event types over HTTP, and what they do to events."""

from collections.abc import AsyncIterator

import orjson
import pytest

from tests.fakes.gateway_api import EVENT_TYPES_MAX, GatewayApi

PATH = "/v1/event-types/order.paid"
SCHEMA = {"type": "object", "required": ["amount"]}


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


async def asked(
    api: GatewayApi, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, object]]:
    """Send a request; gives status and document."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.client.request(method, path, json=body, headers=sent) as response:
        raw = await response.read()
        return response.status, orjson.loads(raw) if raw else {}


async def test_the_life_of_an_event_type(api: GatewayApi) -> None:
    """Put, replaced under its version, deleted, made again with a new version."""
    created, first = await asked(api, "PUT", PATH, {"schema": SCHEMA, "validation": "warn"})
    replaced, second = await asked(api, "PUT", PATH, {"schema": SCHEMA}, If_Match='"1"')
    stale, _ = await asked(api, "PUT", PATH, {}, If_Match='"1"')
    shown, third = await asked(api, "GET", PATH)
    listed, page = await asked(api, "GET", "/v1/event-types")
    kept, _ = await asked(api, "DELETE", PATH, If_Match='"1"')
    gone, _ = await asked(api, "DELETE", PATH)
    missing = [(await asked(api, method, PATH))[0] for method in ("GET", "DELETE")]
    again, fourth = await asked(api, "PUT", PATH, {})

    assert (created, replaced, stale, shown, listed) == (201, 200, 412, 200, 200)
    assert (kept, gone, missing, again) == (412, 204, [404, 404], 201)
    assert (first["validation"], second["validation"]) == ("warn", "off")
    assert page["items"] == [third] == [second]
    assert fourth["version"] == 4


async def test_of_writers_that_race_one_creates_and_one_deletes(api: GatewayApi) -> None:
    """The others of them replace, and find nothing to delete."""
    made = await api.race(*(asked(api, "PUT", PATH, {}) for _ in range(3)))
    gone = await api.race(*(asked(api, "DELETE", PATH) for _ in range(3)))

    assert sorted((status, one["version"]) for status, one in made) == [
        (200, 2),
        (200, 3),
        (201, 1),
    ]
    assert sorted(status for status, _ in gone) == [204, 404, 404]


async def test_what_a_schema_enforces_is_refused_on_every_way_in(api: GatewayApi) -> None:
    """Nothing of it is written; the place is named, the data is not."""
    await asked(api, "PUT", PATH, {"schema": SCHEMA, "validation": "enforce"})
    native = {"subscriber": "acme", "type": "order.paid", "data": {"hunter2": 1}}

    status, problem = await asked(api, "POST", "/v1/events", native)
    good = native | {"data": {"amount": 1}}
    mixed, batch = await asked(api, "POST", "/v1/events/batch", [native, good])
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "order.paid"}
    headers |= {"ce-subscriber": "acme", "Content-Type": "application/json"}
    async with api.client.post("/v1/events", data=b"{}", headers=headers) as binary:
        assert binary.status == 422

    assert (status, problem["code"]) == (422, "schema_violation")
    assert [error["pointer"] for error in problem["errors"]] == ["/data"]  # type: ignore[attr-defined]
    assert "hunter2" not in repr(problem)
    assert mixed == 202
    assert [item.get("code") for item in batch["items"]] == ["schema_violation", None]  # type: ignore[attr-defined]
    assert len(api.publisher.records) == 1
    name = "hooklane_schema_violations_total"
    assert api.instruments.get_sample_value(name, {"mode": "enforce"}) == 3


async def test_a_warning_comes_with_the_answer(api: GatewayApi) -> None:
    """The event is written all the same; fan-out, which gets it, counts it."""
    await asked(api, "PUT", PATH, {"schema": SCHEMA, "validation": "warn"})
    native = {"subscriber": "acme", "type": "order.paid", "data": {}}

    status, answer = await asked(api, "POST", "/v1/events", native)
    _, batch = await asked(api, "POST", "/v1/events/batch", [native])

    assert status == 202
    assert [warning["pointer"] for warning in answer["warnings"]] == ["/data"]  # type: ignore[attr-defined]
    assert batch["items"][0]["warnings"] == answer["warnings"]  # type: ignore[index]
    assert len(api.publisher.records) == 2
    name = "hooklane_schema_violations_total"
    assert api.instruments.get_sample_value(name, {"mode": "warn"}) is None


async def test_a_bound_admin_cannot_change_what_all_share(api: GatewayApi) -> None:
    """It may read it."""
    key_body = {"name": "k", "scopes": ["admin"], "subscriber": "acme"}
    _, made = await asked(api, "POST", "/v1/keys", key_body)
    authorization = f"Bearer {made['key']}"

    statuses = [
        (await asked(api, method, PATH, body, Authorization=authorization))[0]
        for method, body in (("PUT", {}), ("DELETE", None), ("GET", None))
    ]

    assert statuses == [403, 403, 404]


async def test_a_bad_body_changes_nothing(api: GatewayApi) -> None:
    """The schema of before stays in force."""
    await asked(api, "PUT", PATH, {"schema": SCHEMA, "validation": "enforce"})

    status, problem = await asked(api, "PUT", PATH, {"schema": {"type": "x"}})

    assert (status, problem["code"]) == (422, "validation_failed")
    _, shown = await asked(api, "GET", PATH)
    assert shown["version"] == 1


@pytest.mark.parametrize("name", ["a%20b", "%C3%A9", "x" * 257])
async def test_a_name_that_no_event_can_have_is_refused(api: GatewayApi, name: str) -> None:
    """It could never match."""
    status, problem = await asked(api, "PUT", f"/v1/event-types/{name}", {})

    assert (status, problem["code"]) == (422, "validation_failed")


async def test_the_number_of_types_is_bounded(api: GatewayApi) -> None:
    """Every gateway and fan-out keeps them all, compiled."""
    for number in range(EVENT_TYPES_MAX):
        api.topic.index._places["event-type"].note(f"t{number}", f"0 t{number}")

    status, problem = await asked(api, "PUT", PATH, {})

    assert (status, problem["code"]) == (429, "quota_exceeded")
    assert api.limit_hits == ["event_types"]


async def test_a_list_begins_with_the_newest(api: GatewayApi) -> None:
    """By when they were made, not by their names; one that is made again is new."""
    for name in ("b", "c", "a"):
        api.clock.advance(1)
        await asked(api, "PUT", f"/v1/event-types/{name}", {})
    await asked(api, "PUT", "/v1/event-types/c", {"description": "edited"})

    _, first = await asked(api, "GET", "/v1/event-types?limit=2")
    _, second = await asked(api, "GET", f"/v1/event-types?cursor={first['next_cursor']}")
    await asked(api, "DELETE", "/v1/event-types/b")
    api.clock.advance(1)
    await asked(api, "PUT", "/v1/event-types/b", {})
    _, again = await asked(api, "GET", "/v1/event-types")

    names = [[item["name"] for item in page["items"]] for page in (first, second, again)]  # type: ignore[attr-defined]
    assert names == [["a", "c"], ["b"], ["b", "a", "c"]]
