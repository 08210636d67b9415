"""`POST /v1/events` and `POST /v1/events/batch`, over fakes and a real socket."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.intake import Intake
from gateway.limits import EventLimits
from gateway.publish import NotPublished
from schemas.cloudevents import decode_event
from schemas.event import Event
from schemas.ids import webhook_id
from schemas.topics import partition_of
from tests.fakes.gateway_api import GatewayApi

NATIVE = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
CE_BATCH = {"Content-Type": "application/cloudevents-batch+json"}
CE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subscriber": "acme"}
PARTITION = partition_of(b"acme", 12)


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


async def post(
    api: GatewayApi, body: bytes | str, headers: dict[str, str], path: str = "/v1/events"
) -> tuple[int, dict[str, object]]:
    """Send a body and give status and document."""
    data = body.encode() if isinstance(body, str) else body
    async with api.client.post(path, data=data, headers=headers) as response:
        return response.status, orjson.loads(await response.read())


def only_event(api: GatewayApi) -> Event:
    """Read the one record as fan-out reads it."""
    (record,) = api.publisher.records
    event = decode_event(record.key, record.value, record.headers)
    assert isinstance(event, Event)
    return event


async def test_a_native_event_is_written_and_located(api: GatewayApi) -> None:
    """The answer says where; the record is what a direct producer would have written."""
    body = b'{"subscriber":"acme","type":"t","id":"1","data": {"n": 1e2} }'

    status, answer = await post(api, body, NATIVE)

    assert (status, answer) == (
        202,
        {
            "id": "1",
            "webhook_id": webhook_id("acme", "/hooklane", "1"),
            "subscriber": "acme",
            "partition": PARTITION,
            "offset": 0,
        },
    )
    (record,) = api.publisher.records
    assert record.topic == "hooklane.events"
    assert (record.partition, record.key, record.value) == (PARTITION, b"acme", b'{"n": 1e2}')
    assert list(record.headers) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"/hooklane"),
        ("ce_type", b"t"),
        ("content-type", b"application/json"),
    ]
    assert api.counted("accepted") == 1


async def test_an_idempotency_key_gives_the_same_ids_again(api: GatewayApi) -> None:
    """The repeat is a record of its own; fan-out drops it by its id."""
    headers = NATIVE | {"Idempotency-Key": "abc"}
    body = '{"subscriber":"acme","type":"t"}'

    _, first = await post(api, body, headers)
    _, again = await post(api, body, headers)

    assert first["id"] == again["id"]
    assert first["webhook_id"] == again["webhook_id"]


async def test_a_structured_event_is_taken(api: GatewayApi) -> None:
    """The subscriber becomes the key."""
    status, _ = await post(api, orjson.dumps(CE | {"data": [1]}), STRUCTURED)

    assert status == 202
    event = only_event(api)
    assert (event.subscriber, event.data, event.extensions) == ("acme", b"[1]", {})


async def test_a_binary_event_is_taken(api: GatewayApi) -> None:
    """Attributes in headers, any bytes as data, the trace of the request with it."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {f"ce-{name}": value for name, value in CE.items()}
    headers |= {"Content-Type": "application/octet-stream", "traceparent": trace}

    status, _ = await post(api, b"\x00\xff", headers)

    assert status == 202
    event = only_event(api)
    assert (event.data, event.datacontenttype) == (b"\x00\xff", "application/octet-stream")
    assert event.extensions == {"traceparent": trace}


async def test_a_binary_event_whose_subscriber_comes_twice_is_refused(api: GatewayApi) -> None:
    """Nobody can say for whom it is."""
    headers = [(f"ce-{name}", value) for name, value in CE.items()]
    headers += [("ce-subscriber", "globex"), ("Content-Type", "application/json")]

    async with api.client.post("/v1/events", data=b"{}", headers=headers) as response:
        problem = orjson.loads(await response.read())

    assert (response.status, problem["code"]) == (400, "invalid_request")
    assert api.publisher.records == []
    assert api.counted("invalid") == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", NATIVE, 400, "invalid_json"),
        ('{"a":1,"a":2}', NATIVE, 400, "invalid_json"),
        ("{}", NATIVE, 422, "validation_failed"),
        ("{}", STRUCTURED, 422, "validation_failed"),
        ("[]", NATIVE, 422, "validation_failed"),
        ('"x"', NATIVE, 422, "validation_failed"),
        ("[]", STRUCTURED, 422, "validation_failed"),
        ("{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ("{}", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
        ("{}", {"Content-Type": "application/cloudevents+xml"}, 415, "unsupported_media_type"),
        ("{}", {"Content-Type": "application/json; charset=utf-16"}, 415, "unsupported_media_type"),
        ("{}", NATIVE | {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        ("{}", NATIVE | {"Idempotency-Key": "a b"}, 400, "invalid_request"),
        ("x" * 600_000, NATIVE, 413, "too_large"),
        ('{"subscriber":"a","type":"t","data":"' + "x" * 262_144 + '"}', NATIVE, 413, "too_large"),
        ("x" * 262_145, {"ce-id": "1", "Content-Type": "a/b"}, 413, "too_large"),
        ("", {"ce-id": "1", "Content-Type": "a/b"}, 422, "validation_failed"),
    ],
)
async def test_what_cannot_be_taken_is_told_as_a_problem(
    api: GatewayApi, body: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Nothing is written, and the answer does not quote the body."""
    answered, problem = await post(api, body, headers)

    assert (answered, problem["status"], problem["code"]) == (status, status, code)
    assert api.publisher.records == []


BAD_UTF8 = (
    b'{"subscriber":"acme","type":"\xff"}',
    b'{"subscriber":"a\xffcme","type":"t"}',
    b'{"subscriber":"acme","type":"t","id":"\xc0\xaf"}',
    b'{"subscriber":"acme","type":"t","subject":"\xed\xa0\x80"}',
    b'{"subscriber":"acme","ty\xffpe":"t"}',
    b'{"subscriber":"acme","type":"t","data":"\xff"}',
)


@pytest.mark.parametrize("body", BAD_UTF8)
@pytest.mark.parametrize("headers", [NATIVE, STRUCTURED])
async def test_a_body_that_is_no_utf8_is_no_json(
    api: GatewayApi, body: bytes, headers: dict[str, str]
) -> None:
    """Wherever the broken bytes stand, it is the client's mistake and not our fault."""
    status, problem = await post(api, body, headers)

    assert (status, problem["code"]) == (400, "invalid_json")
    assert api.publisher.records == []


@pytest.mark.parametrize("body", BAD_UTF8)
async def test_an_item_that_is_no_utf8_does_not_cost_the_others(
    api: GatewayApi, body: bytes
) -> None:
    """It is told apart like every other item that is not JSON."""
    good = b'{"subscriber":"acme","type":"t"}'

    status, answer = await post(
        api, b"[" + b",".join([good, body, good]) + b"]", NATIVE, "/v1/events/batch"
    )

    items = answer["items"]
    assert isinstance(items, list)
    assert status == 202
    assert [(one["status"], one.get("code")) for one in items] == [
        (202, None),
        (400, "invalid_json"),
        (202, None),
    ]
    assert len(api.publisher.records) == 2


@pytest.mark.parametrize(("was_tried", "code"), [(False, "unavailable"), (True, "unknown")])
async def test_no_answer_of_kafka_is_a_503_with_the_ids(
    api: GatewayApi, was_tried: bool, code: str
) -> None:
    """With the id that was made, the client can repeat it without a duplicate."""
    api.publisher.outcomes = [NotPublished(was_tried)]

    async with api.client.post("/v1/events", json={"subscriber": "acme", "type": "t"}) as response:
        problem = await response.json(content_type="application/problem+json")

    assert (response.status, problem["code"]) == (503, code)
    assert response.headers["Retry-After"] == "1"
    assert problem["id"].startswith("evt_")
    assert problem["webhook_id"].startswith("msg_")
    assert api.counted("unavailable") == 1


async def test_a_batch_reports_each_item(api: GatewayApi) -> None:
    """One bad item does not cost the others; each one is counted."""
    body = (
        b'[{"subscriber":"acme","type":"t","id":"1","data":1.0},'
        b'{"subscriber":"acme"},{"subscriber":"a","type":"t","subscriber":"b"},7,'
        b'{"subscriber":"acme","type":"t","id":"2"}]'
    )

    status, answer = await post(api, body, NATIVE, "/v1/events/batch")

    assert status == 202
    items = answer["items"]
    assert isinstance(items, list)
    assert [(item["index"], item["status"]) for item in items] == [
        (0, 202),
        (1, 422),
        (2, 400),
        (3, 422),
        (4, 202),
    ]
    assert items[0] == {
        "index": 0,
        "status": 202,
        "id": "1",
        "webhook_id": webhook_id("acme", "/hooklane", "1"),
        "partition": PARTITION,
        "offset": 0,
    }
    assert (items[1]["code"], items[2]["code"]) == ("validation_failed", "invalid_json")
    assert [record.value for record in api.publisher.records] == [b"1.0", None]
    assert (api.counted("accepted"), api.counted("invalid")) == (2, 3)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
async def test_a_cloudevents_batch_answers_alike(api: GatewayApi, path: str) -> None:
    """Items keep their order within a subscriber."""
    body = orjson.dumps([CE | {"id": str(n)} for n in range(40)] + [{"id": "x"}])

    status, answer = await post(api, body, CE_BATCH, path)

    assert status == 202
    items = answer["items"]
    assert isinstance(items, list)
    assert [item.get("offset") for item in items] == [*range(40), None]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("[]", 422, "validation_failed"),
        ("{}", 422, "validation_failed"),
        ("1", 422, "validation_failed"),
        ("{", 400, "invalid_json"),
        ("[NaN]", 400, "invalid_json"),
        ("[" + ",".join(["1"] * 1001) + "]", 413, "too_large"),
    ],
)
async def test_a_batch_that_is_none_is_refused_as_a_whole(
    api: GatewayApi, body: str, status: int, code: str
) -> None:
    """One to a thousand items of one JSON array."""
    answered, problem = await post(api, body, NATIVE, "/v1/events/batch")

    assert (answered, problem["code"]) == (status, code)
    assert ("errors" in problem) is (status == 422)
    assert "items" not in problem


async def test_a_batch_of_bad_items_only_is_unprocessable(api: GatewayApi) -> None:
    """The items say why; a client must not take it for a success."""
    status, problem = await post(api, "[{},1]", NATIVE, "/v1/events/batch")

    assert (status, problem["code"]) == (422, "validation_failed")
    items = problem["items"]
    assert isinstance(items, list)
    assert [item["status"] for item in items] == [422, 422]


async def test_a_batch_that_kafka_did_not_take_may_be_tried_again(api: GatewayApi) -> None:
    """A 422 would make the client throw it away."""
    api.publisher.outcomes = [NotPublished(was_tried=True)]

    body = '[{"subscriber":"acme","type":"t","id":"1"},{}]'
    status, problem = await post(api, body, NATIVE, "/v1/events/batch")

    assert (status, problem["code"]) == (503, "unknown")
    items = problem["items"]
    assert isinstance(items, list)
    assert [(item["status"], item["code"]) for item in items] == [
        (503, "unknown"),
        (422, "validation_failed"),
    ]
    assert items[0]["id"] == "1"


async def test_overload_is_refused_at_once_and_passes() -> None:
    """503 with Retry-After, and nothing is held by the refused one."""
    intake = Intake(1, 1 << 20)
    async with GatewayApi(intake=intake) as api:
        assert intake.enter(10)
        body = '{"subscriber":"acme","type":"t"}'

        refused, problem = await post(api, body, NATIVE)
        intake.leave(10)
        taken, _ = await post(api, body, NATIVE)

    assert (refused, problem["code"], taken) == (503, "unavailable", 202)
    assert (intake.requests, intake.bytes_held) == (0, 0)


async def test_a_body_that_does_not_arrive_is_a_408() -> None:
    """And its place is free again."""
    async with GatewayApi(limits=EventLimits(262_144, 8 << 20, 0.05)) as api:
        gone = asyncio.Event()

        async def dribble() -> AsyncIterator[bytes]:
            yield b'{"subscriber":'
            await gone.wait()

        async with api.client.post("/v1/events", data=dribble(), headers=NATIVE) as response:
            problem = orjson.loads(await response.read())
        gone.set()

        assert (response.status, problem["code"]) == (408, "timeout")
        assert (api.intake.requests, api.intake.bytes_held) == (0, 0)


async def test_a_body_without_a_length_is_bounded_while_it_comes(api: GatewayApi) -> None:
    """Chunked transfer cannot get around the limit."""

    async def flood() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65_536

    async with api.client.post("/v1/events", data=flood(), headers=NATIVE) as response:
        problem = orjson.loads(await response.read())

    assert (response.status, problem["code"]) == (413, "too_large")
    assert (api.intake.requests, api.intake.bytes_held) == (0, 0)


async def test_a_quota_of_a_key_is_told_and_held(api: GatewayApi) -> None:
    """429 says when to come back; items of a batch are counted one by one."""
    key_body = {
        "name": "k",
        "scopes": ["events:write"],
        "quota": {"events_per_second": 0.5, "burst": 3},
    }
    async with api.client.post("/v1/keys", json=key_body) as response:
        key = orjson.loads(await response.read())["key"]
    headers = NATIVE | {"Authorization": f"Bearer {key}"}
    event = '{"subscriber":"acme","type":"t"}'

    async with api.client.post("/v1/events", data=event, headers=headers) as first:
        assert first.headers["RateLimit"] == '"key";r=2;t=2'
    status, batch = await post(api, f"[{event},{event},{event}]", headers, "/v1/events/batch")
    full, problem = await post(api, f"[{event}]", headers, "/v1/events/batch")
    async with api.client.post("/v1/events", data=event, headers=headers) as last:
        refused = orjson.loads(await last.read())

    items = batch["items"]
    assert isinstance(items, list)
    assert (status, [item["status"] for item in items]) == (202, [202, 202, 429])
    assert (full, problem["code"]) == (429, "quota_exceeded")
    assert (last.status, refused["code"]) == (429, "quota_exceeded")
    assert last.headers["Retry-After"] == "2"
    assert last.headers["RateLimit-Policy"] == '"key";q=3;w=6'
    assert api.counted("throttled") == 3


async def test_a_bound_key_sends_for_its_own_subscriber_only(api: GatewayApi) -> None:
    """Anything else is not there, also as an item of a batch; nothing of it is told."""
    key_body = {"name": "k", "scopes": ["events:write"], "subscriber": "acme"}
    async with api.client.post("/v1/keys", json=key_body) as response:
        key = orjson.loads(await response.read())["key"]
    async with api.client.put(
        "/v1/subscribers/globex", json={"quota": {"events_per_second": 1}}
    ) as response:
        assert response.status == 201
    headers = NATIVE | {"Authorization": f"Bearer {key}"}
    own = '{"subscriber":"acme","type":"t"}'
    foreign = own.replace("acme", "globex")

    single, problem = await post(api, foreign, headers)
    status, batch = await post(api, f"[{own},{foreign}]", headers, "/v1/events/batch")
    async with api.client.post("/v1/events", data=foreign, headers=headers) as response:
        assert "RateLimit" not in response.headers

    items = batch["items"]
    assert isinstance(items, list)
    assert (single, problem["code"]) == (404, "not_found")
    assert (status, [item["status"] for item in items]) == (202, [202, 404])
    assert [record.key for record in api.publisher.records] == [b"acme"]
