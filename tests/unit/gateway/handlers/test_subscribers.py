"""Subscribers over HTTP."""

from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.handlers.subscribers import parse_cascade
from gateway.problems import Code, Problem
from tests.fakes.gateway_api import GatewayApi

PATH = "/v1/subscribers/acme"
URL = "https://example.com/hook"
QUOTA = {"events_per_second": 0.5, "burst": 1, "subscriptions": 1}


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
        document = orjson.loads(raw) if raw else {}
        return response.status, document | {"etag": response.headers.get("ETag")}


async def test_the_life_of_a_subscriber(api: GatewayApi) -> None:
    """Created, replaced, removed, made again with a version that nobody has seen."""
    created, first = await asked(api, "PUT", PATH, {"name": "Acme", "quota": QUOTA})
    replaced, second = await asked(api, "PUT", PATH, {"metadata": {"a": "b"}})
    shown, third = await asked(api, "GET", PATH)
    gone, _ = await asked(api, "DELETE", PATH)
    missing, _ = await asked(api, "GET", PATH)
    again, fourth = await asked(api, "PUT", PATH, {})

    assert (created, replaced, shown, gone, missing, again) == (201, 200, 200, 204, 404, 201)
    assert (first["quota"], first["etag"]) == (QUOTA, '"1"')
    assert (second["name"], second["quota"], second["metadata"]) == (None, None, {"a": "b"})
    assert third == second
    assert (fourth["version"], fourth["etag"]) == (4, '"4"')


async def test_of_writers_that_race_one_creates_and_one_removes(api: GatewayApi) -> None:
    """The others of them replace, and find nothing to remove."""
    made = await api.race(*(asked(api, "PUT", PATH, {}) for _ in range(3)))
    gone = await api.race(*(asked(api, "DELETE", PATH) for _ in range(3)))

    assert sorted((status, one["version"]) for status, one in made) == [
        (200, 2),
        (200, 3),
        (201, 1),
    ]
    assert sorted(status for status, _ in gone) == [204, 404, 404]


async def test_a_subscriber_without_a_record_is_removed_once(api: GatewayApi) -> None:
    """With its subscriptions it ends; whoever comes second finds nothing."""
    await asked(api, "POST", PATH + "/subscriptions", {"url": URL})

    gone = await api.race(*(asked(api, "DELETE", PATH + "?cascade=true") for _ in range(2)))

    assert sorted(status for status, _ in gone) == [204, 404]


async def test_a_subscription_makes_a_subscriber(api: GatewayApi) -> None:
    """It has no record and version 0."""
    await asked(api, "POST", PATH + "/subscriptions", {"url": URL})

    status, shown = await asked(api, "GET", PATH)

    assert (status, shown["version"], shown["subscriptions"]) == (200, 0, 1)


async def test_a_list_begins_with_the_newest_page_by_page(api: GatewayApi) -> None:
    """By the oldest that they have, not by their names or what was added since."""
    for name in ("b", "c", "a"):
        api.clock.advance(1)
        await asked(api, "PUT", f"/v1/subscribers/{name}", {})
    api.clock.advance(1)
    await asked(api, "POST", "/v1/subscribers/b/subscriptions", {"url": URL})

    _, first = await asked(api, "GET", "/v1/subscribers?limit=2")
    _, second = await asked(api, "GET", f"/v1/subscribers?cursor={first['next_cursor']}")

    pages = [[item["subscriber"] for item in page["items"]] for page in (first, second)]  # type: ignore[attr-defined]
    assert pages == [["a", "c"], ["b"]]
    assert second["next_cursor"] is None


async def test_a_bound_key_lists_itself(api: GatewayApi) -> None:
    """If it is there at all."""
    await asked(api, "PUT", "/v1/subscribers/globex", {})
    key_body = {"name": "k", "scopes": ["admin"], "subscriber": "acme"}
    _, made = await asked(api, "POST", "/v1/keys", key_body)
    authorization = f"Bearer {made['key']}"

    _, before = await asked(api, "GET", "/v1/subscribers", Authorization=authorization)
    await asked(api, "PUT", PATH, {}, Authorization=authorization)
    _, after = await asked(api, "GET", "/v1/subscribers", Authorization=authorization)

    assert before["items"] == []
    assert [item["subscriber"] for item in after["items"]] == ["acme"]  # type: ignore[attr-defined]


async def test_one_with_subscriptions_goes_only_with_all_of_them(api: GatewayApi) -> None:
    """Everything at once, also without a record of its own."""
    for _ in range(3):
        await asked(api, "POST", PATH + "/subscriptions", {"url": URL})

    refused, problem = await asked(api, "DELETE", PATH)
    gone, _ = await asked(api, "DELETE", PATH + "?cascade=true")
    missing, _ = await asked(api, "DELETE", PATH + "?cascade=true")

    assert (refused, problem["code"]) == (409, "conflict")
    assert (gone, missing) == (204, 404)
    assert list(api.registry.ids_of("acme")) == []
    assert list(api.registry.subscribers()) == []


async def test_versions_guard_every_change(api: GatewayApi) -> None:
    """Also that nothing is there yet, and that nothing has a record yet."""
    star, _ = await asked(api, "PUT", PATH, {}, If_Match="*")
    await asked(api, "PUT", PATH, {})
    wrong = [
        await asked(api, "PUT", PATH, {}, If_Match='"2"'),
        await asked(api, "DELETE", PATH, If_Match='"2"'),
    ]
    right, _ = await asked(api, "PUT", PATH, {}, If_Match='"7", "1"')
    bad, _ = await asked(api, "DELETE", PATH, If_Match="1")

    assert star == 412
    assert [(status, problem["code"]) for status, problem in wrong] == [
        (412, "version_mismatch")
    ] * 2
    assert (right, bad) == (200, 400)


@pytest.mark.parametrize(("seen", "expected"), [('"0"', 201), ("*", 201), ('"1"', 412)])
async def test_one_that_only_its_subscriptions_make_has_a_version_too(
    api: GatewayApi, seen: str, expected: int
) -> None:
    """What GET shows may be sent back; once there is a record it is an old version."""
    await asked(api, "POST", PATH + "/subscriptions", {"url": URL})
    _, shown = await asked(api, "GET", PATH)

    first, _ = await asked(api, "PUT", PATH, {"name": "Acme"}, If_Match=seen)
    await asked(api, "PUT", PATH, {})
    late, _ = await asked(api, "PUT", PATH, {}, If_Match='"0"')

    assert shown["etag"] == '"0"'
    assert (first, late) == (expected, 412)


async def test_quotas_hold_from_the_next_request_on(api: GatewayApi) -> None:
    """Events by rate, subscriptions by number."""
    await asked(api, "PUT", PATH, {"quota": QUOTA})
    event = {"subscriber": "acme", "type": "t"}

    events = [(await asked(api, "POST", "/v1/events", event))[0] for _ in range(2)]
    made = [(await asked(api, "POST", PATH + "/subscriptions", {"url": URL}))[0] for _ in range(2)]

    assert events == [202, 429]
    assert made == [201, 429]


@pytest.mark.parametrize("name", ["$keys", "-x", "x" * 129, "a%20b"])
async def test_a_name_that_no_event_can_have_is_refused(api: GatewayApi, name: str) -> None:
    """Reserved ones first of all."""
    status, problem = await asked(api, "PUT", f"/v1/subscribers/{name}", {})

    assert (status, problem["code"]) == (422, "validation_failed")
    assert api.registry.stored == {}


@pytest.mark.parametrize(
    ("query", "expected"),
    [([], False), ([("cascade", "true")], True), ([("cascade", "false")], False)],
)
def test_cascade_is_read(query: list[tuple[str, str]], expected: bool) -> None:
    """Off unless it is asked for."""
    assert parse_cascade(query) is expected


@pytest.mark.parametrize(
    "query", [[("cascade", "1")], [("x", "")], [("cascade", "true"), ("cascade", "true")]]
)
def test_anything_else_in_the_query_is_refused(query: list[tuple[str, str]]) -> None:
    """A typing error must not delete less or more than was meant."""
    problem = parse_cascade(query)

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    assert [error.pointer for error in problem.errors] == ["" if query[0][0] == "x" else "/cascade"]


async def test_a_bound_key_cannot_lift_its_own_quota(api: GatewayApi) -> None:
    """Neither by another one, nor by leaving it out, nor by removing the subscriber."""
    await asked(api, "PUT", PATH, {"quota": QUOTA})
    key_body = {"name": "k", "scopes": ["admin"], "subscriber": "acme"}
    _, made = await asked(api, "POST", "/v1/keys", key_body)
    authorization = f"Bearer {made['key']}"
    larger = {"quota": QUOTA | {"burst": 1_000}}

    raised, problem = await asked(api, "PUT", PATH, larger, Authorization=authorization)
    named, shown = await asked(api, "PUT", PATH, {"name": "A"}, Authorization=authorization)
    removed, _ = await asked(api, "DELETE", PATH, Authorization=authorization)

    assert (raised, problem["code"], removed) == (403, "forbidden", 403)
    assert (named, shown["name"], shown["quota"]) == (200, "A", QUOTA)
