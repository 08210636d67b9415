"""Subscriptions over HTTP, over fakes and a real socket."""

from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from gateway.intake import Intake
from gateway.registry import Stored
from schemas.registry import SealedFields, SubscriptionRecord, decode_subscription
from tests.contract.gateway import raw_record
from tests.fakes.gateway_api import GatewayApi

PATH = "/v1/subscribers/acme/subscriptions"
URL = "https://example.com/hook"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


async def create(api: GatewayApi, **members: object) -> dict[str, object]:
    """Create a subscription that must be good."""
    async with api.client.post(PATH, json={"url": URL, **members}) as response:
        assert response.status == 201
        return orjson.loads(await response.read())  # type: ignore[no-any-return]


async def problem_of(response: aiohttp.ClientResponse) -> tuple[int, object]:
    """Give status and code."""
    assert response.content_type == "application/problem+json"
    return response.status, orjson.loads(await response.read())["code"]


async def test_a_created_one_is_shown_with_its_secret_once(api: GatewayApi) -> None:
    """Afterwards only the secret call shows it."""
    async with api.client.post(PATH, json={"url": URL, "headers": {"X-A": "hunter2"}}) as response:
        made = orjson.loads(await response.read())
    path = f"{PATH}/{made['id']}"
    async with api.client.get(path) as shown_response:
        shown = orjson.loads(await shown_response.read())
    async with api.client.get(f"{path}/secret") as secret_response:
        secret = orjson.loads(await secret_response.read())

    assert (response.status, response.headers["ETag"]) == (201, '"1"')
    assert response.headers["Location"] == path
    assert made["secret"].startswith("whsec_")
    assert (shown_response.status, shown_response.headers["ETag"]) == (200, '"1"')
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert shown["headers"] == {"X-A": "***"}
    assert secret == {"secret": made["secret"]}
    assert secret_response.headers["Cache-Control"] == "no-store"


async def test_an_asymmetric_one_shows_its_public_key(api: GatewayApi) -> None:
    """Receivers of v1a need only that."""
    made = await create(api, signature="v1a")

    assert str(made["secret"]).startswith("whsk_")
    assert str(made["public_key"]).startswith("whpk_")


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        (PATH, b"{", {}, (400, "invalid_json")),
        (PATH, b'{"url":"x","url":"y"}', {}, (400, "invalid_json")),
        (PATH, b"{}", {}, (422, "validation_failed")),
        (PATH, b"[]", {}, (422, "validation_failed")),
        (PATH, b'"x"', {}, (422, "validation_failed")),
        (PATH, b'{"url":"https://localhost/"}', {}, (422, "url_not_allowed")),
        (
            PATH,
            b'{"url":"https://example.com/","headers":{"X":"a\\r\\nHost: b"}}',
            {},
            (422, "validation_failed"),
        ),
        (
            PATH,
            b'{"url":"https://example.com/","headers":{"X":"\\ud800"}}',
            {},
            (400, "invalid_json"),
        ),
        (PATH, b"{}", {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        (PATH, b"x" * 300_000, {}, (413, "too_large")),
        ("/v1/subscribers/$x/subscriptions", b"{}", {}, (422, "validation_failed")),
    ],
)
async def test_a_bad_creation_is_a_problem(
    api: GatewayApi,
    path: str,
    body: bytes,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    """Nothing is created."""
    sent = {"Content-Type": "application/json"} | headers
    async with api.client.post(path, data=body, headers=sent) as response:
        assert await problem_of(response) == expected

    assert api.registry.stored == {}


async def test_a_subscriber_has_a_thousand_at_most(api: GatewayApi) -> None:
    """The next one is over the quota."""
    sealed = SealedFields(url=URL, secret="whsec_x")
    for number in range(1_000):
        api.registry.put(raw_record(f"sub_{number:04}"), sealed)

    async with api.client.post(PATH, json={"url": URL}) as response:
        assert await problem_of(response) == (429, "quota_exceeded")


async def test_lists_are_pages_newest_first(api: GatewayApi) -> None:
    """Two pages show all of one subscriber, and nothing of another."""
    made = [str((await create(api))["id"]) for _ in range(3)]
    async with api.client.post("/v1/subscribers/x/subscriptions", json={"url": URL}) as response:
        assert response.status == 201

    async with api.client.get(PATH, params={"limit": "2"}) as response:
        first = orjson.loads(await response.read())
    async with api.client.get(PATH, params={"cursor": first["next_cursor"]}) as response:
        second = orjson.loads(await response.read())

    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    assert all("secret" not in item for item in first["items"])


async def test_a_bad_page_is_a_problem(api: GatewayApi) -> None:
    """A mistyped parameter must not show the first page."""
    async with api.client.get(PATH, params={"limit": "1000"}) as response:
        assert await problem_of(response) == (422, "validation_failed")


async def test_a_patch_gives_the_next_version(api: GatewayApi) -> None:
    """Both media types of a merge patch are taken."""
    path = f"{PATH}/{(await create(api, metadata={'a': '1'}))['id']}"

    async with api.client.patch(path, json={"metadata": {"b": "2"}}) as response:
        first = orjson.loads(await response.read())
    body = b'{"metadata":{"a":null},"status":"paused"}'
    async with api.client.patch(path, data=body, headers=MERGE) as response:
        second = orjson.loads(await response.read())

    assert (first["version"], first["metadata"]) == (2, {"a": "1", "b": "2"})
    assert (response.status, response.headers["ETag"]) == (200, '"3"')
    assert (second["metadata"], second["status_reason"]) == ({"b": "2"}, "manual")


async def test_a_bad_patch_changes_nothing(api: GatewayApi) -> None:
    """The version stays."""
    path = f"{PATH}/{(await create(api))['id']}"

    async with api.client.patch(path, json={"id": "sub_x"}) as response:
        assert await problem_of(response) == (422, "validation_failed")
    async with api.client.get(path) as response:
        assert response.headers["ETag"] == '"1"'


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("condition", "status"),
    [('"1"', 412), ('"2"', 200), ("*", 200), ('"1", "2"', 200), ('W/"2"', 412), ("2", 400)],
)
async def test_if_match_guards_against_lost_updates(
    api: GatewayApi, method: str, condition: str, status: int
) -> None:
    """412 when the version is another one, also for lists and the star."""
    path = f"{PATH}/{(await create(api))['id']}"
    async with api.client.patch(path, json={"timeout_s": 2}):
        pass

    sent = {"If-Match": condition}
    async with api.client.request(method, path, json={"timeout_s": 3}, headers=sent) as response:
        answered = response.status
        code = None if answered < 400 else (await problem_of(response))[1]

    assert answered == (204 if (method, status) == ("DELETE", 200) else status)
    assert code == {412: "version_mismatch", 400: "invalid_request"}.get(status)


async def test_a_deleted_one_is_gone_for_everybody(api: GatewayApi) -> None:
    """Every call answers 404; the record tells the other services."""
    subscription_id = str((await create(api))["id"])
    path = f"{PATH}/{subscription_id}"

    async with api.client.delete(path) as response:
        assert (response.status, await response.read()) == (204, b"")

    for method, place in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/secret")):
        async with api.client.request(method, path + place, json={}) as response:
            assert await problem_of(response) == (404, "not_found")
    async with api.client.get(PATH) as response:
        assert orjson.loads(await response.read()) == {"items": [], "next_cursor": None}
    assert api.registry.raw("acme", subscription_id)["deleted"] is True


async def test_another_subscriber_has_no_such_subscription(api: GatewayApi) -> None:
    """Ids are looked up inside of their subscriber only."""
    subscription_id = (await create(api))["id"]

    async with api.client.get(f"/v1/subscribers/x/subscriptions/{subscription_id}") as response:
        assert await problem_of(response) == (404, "not_found")


async def test_what_no_key_opens_is_shown_and_can_be_deleted(api: GatewayApi) -> None:
    """A lost vault key must not leave subscriptions that nobody can remove."""
    subscription_id = str((await create(api))["id"])
    broken = raw_record(subscription_id, sealed="AAAA")
    (key,) = api.registry.stored
    api.registry.stored[key] = Stored(_decoded(broken), orjson.dumps(broken), 1)
    path = f"{PATH}/{subscription_id}"

    async with api.client.get(path) as response:
        shown = orjson.loads(await response.read())
    async with api.client.patch(path, json={"timeout_s": 2}) as response:
        assert await problem_of(response) == (409, "conflict")
    async with api.client.get(path + "/secret") as response:
        assert await problem_of(response) == (409, "conflict")
    async with api.client.delete(path) as response:
        assert response.status == 204

    assert (shown["status_reason"], shown["url"]) == ("vault", None)


def _decoded(raw: dict[str, object]) -> SubscriptionRecord:
    record = decode_subscription(orjson.dumps(raw))
    assert isinstance(record, SubscriptionRecord)
    return record


async def test_management_calls_count_as_requests_in_flight() -> None:
    """A flood of slow bodies cannot get round the bounds of the process."""
    intake = Intake(1, 1 << 20)
    async with GatewayApi(intake=intake) as api:
        intake.enter(1)
        async with api.client.post(PATH, json={"url": URL}) as response:
            assert await problem_of(response) == (503, "unavailable")
        intake.leave(1)
        await create(api)

    assert (intake.requests, intake.bytes_held) == (0, 0)


async def test_a_rotated_secret_is_shown_with_the_one_before(api: GatewayApi) -> None:
    """By the answer and by the secret call alike; a body is not needed."""
    made = await create(api)
    path = f"{PATH}/{made['id']}"

    async with api.client.post(path + "/rotate-secret") as response:
        rotated = orjson.loads(await response.read())
    async with api.client.get(path + "/secret") as shown:
        assert orjson.loads(await shown.read()) == rotated

    assert (response.status, response.headers["ETag"]) == (200, '"2"')
    assert response.headers["Cache-Control"] == "no-store"
    assert rotated["secret"] != made["secret"]
    assert rotated["previous"]["secret"] == made["secret"]


async def test_a_rotation_is_refused_like_a_patch(api: GatewayApi) -> None:
    """Missing, another version, a bad field, a media type that is none."""
    made = await create(api)
    path = f"{PATH}/{made['id']}/rotate-secret"
    refusals: list[tuple[str, bytes, dict[str, str]]] = [
        (f"{PATH}/sub_x/rotate-secret", b"", {}),
        (path, b"", {"If-Match": '"2"'}),
        (path, b'{"grace_s":-1}', {"Content-Type": "application/json"}),
        (path, b"{}", {"Content-Type": "text/plain"}),
    ]
    found = []
    for where, body, headers in refusals:
        async with api.client.post(where, data=body, headers=headers) as response:
            found.append(response.status)

    assert found == [404, 412, 422, 415]
    async with api.client.get(f"{PATH}/{made['id']}/secret") as shown:
        assert orjson.loads(await shown.read()) == {"secret": made["secret"]}


async def test_a_filter_is_shown_as_it_was_sent(api: GatewayApi) -> None:
    """What is wrong with one is told with a pointer."""
    document = {"data.amount": {"$gte": 100}}
    made = await create(api, filter=document)
    body = {"url": URL, "filter": {"data.amount": {"$near": 1}}}
    async with api.client.post(PATH, json=body) as response:
        problem = orjson.loads(await response.read())

    assert made["filter"] == document
    assert response.status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/filter/data.amount/$near"]
