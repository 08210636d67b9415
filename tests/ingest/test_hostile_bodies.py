"""What broken and hostile producers send over HTTP: one verdict in every shape of a body.

Rows B301 to B308, B313, B314 and B317 of the catalogue (test_catalogue.py); each input goes through
the whole HTTP side, and the same bytes through the reader of the Kafka side.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Mapping

import orjson
import pytest

from schemas.cloudevents import decode_event
from schemas.event import Event
from tests.fakes.gateway_api import GatewayApi

NATIVE = b'{"subscriber":"acme","type":"t","id":"1","data":%b}'
CLOUD = (
    b'{"specversion":"1.0","subscriber":"acme","type":"t","id":"1","source":"/hooklane","data":%b}'
)
BINARY = {
    "ce-specversion": "1.0", "ce-subscriber": "acme", "ce-type": "t", "ce-id": "1",
    "ce-source": "/hooklane",
}  # fmt: skip
KAFKA = [("content-type", b"application/cloudevents+json")]
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
MIB = 1 << 20
SLOWEST_S = 2.0
"""A quarter of a megabyte at its worst takes milliseconds; this only tells them from minutes."""

Request = tuple[str, Mapping[str, str], bytes]


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as served:
        yield served


def shapes(data: bytes) -> dict[str, Request]:
    """Wrap data in each of the forms that an event may come in."""
    return {
        "native": ("/v1/events", {"Content-Type": JSON}, NATIVE % data),
        "structured": ("/v1/events", {"Content-Type": STRUCTURED}, CLOUD % data),
        "binary": ("/v1/events", BINARY | {"Content-Type": JSON}, data),
        "batch": ("/v1/events/batch", {"Content-Type": JSON}, b"[" + NATIVE % data + b"]"),
        "cloud-batch": (
            "/v1/events",
            {"Content-Type": "application/cloudevents-batch+json"},
            b"[" + CLOUD % data + b"]",
        ),
    }


async def verdict(api: GatewayApi, request: Request) -> tuple[int, str | None]:
    """Send it; gives the status and the code of the event, or of its item."""
    path, headers, body = request
    async with api.client.post(path, data=body, headers=headers) as response:
        answer = orjson.loads(await response.read())
    item = answer["items"][0] if "items" in answer else answer
    return int(item.get("status", response.status)), item.get("code")


REFUSED: dict[str, bytes] = {
    "B301 nothing": b"",
    "B301 blanks": b" \n\t",
    "B301 two documents": b"1 2",
    "B301 text behind": b"{}x",
    "B301 comma too many": b"[1,]",
    "B301 comment": b"1/* */",
    "B301 single quotes": b"'a'",
    "B302 broken UTF-8": b'"\xff"',
    "B302 overlong": b'"\xc0\xaf"',
    "B302 surrogate bytes": b'"\xed\xa0\x80"',
    "B302 UTF-16": '"a"'.encode("utf-16"),
    "B302 byte order mark": b"\xef\xbb\xbf1",
    "B302 lone surrogate": b'"\\ud800"',
    "B302 reversed pair": b'"\\udc00\\ud800"',
    "B303 NaN": b"NaN",
    "B303 Infinity": b"Infinity",
    "B303 -Infinity": b"-Infinity",
    "B303 1e400": b"1e400",
    "B303 nested 1e400": b'{"a":[-1e999]}',
    "B303 4,301 digits": b"7" * 4_301,
    "B307 65 levels": b"[" * 65 + b"]" * 65,
    "B307 255 levels": b"[" * 255 + b"]" * 255,
    "B307 1,025 levels": b"[" * 1_025 + b"]" * 1_025,
    "B307 open brackets": b"[" * 100_000,
}
"""Nobody can say what was meant; the number of the row comes first."""


@pytest.mark.parametrize("what", REFUSED)
async def test_data_that_is_no_json_is_refused_alike_in_every_shape(
    api: GatewayApi, what: str
) -> None:
    """400 invalid_json, in a batch too; nothing is written."""
    requests = shapes(REFUSED[what])
    if what == "B301 nothing":
        del requests["binary"]  # no body is an event without data

    found = {shape: await verdict(api, request) for shape, request in requests.items()}

    assert found == dict.fromkeys(requests, (400, "invalid_json"))
    assert api.publisher.records == []


@pytest.mark.parametrize("what", REFUSED)
def test_a_kafka_document_is_judged_like_a_request(what: str) -> None:
    """A producer that goes straight to Kafka gets its record back in the quarantine."""
    found = decode_event(b"acme", CLOUD % REFUSED[what], KAFKA)

    assert not isinstance(found, Event)
    assert found.reason == "bad_json"


TAKEN: dict[str, bytes] = {
    "B304 beyond 64 bits": b"18446744073709551616",
    "B304 below 64 bits": b"-9223372036854775809",
    "B304 40 digits": b"1234567890123456789012345678901234567890",
    "B305 exponent": b"1e2",
    "B305 escapes": b'"\\u00e9\\/"',
    "B305 minus zero": b"-0",
    "B305 a long fraction": b"0." + b"1" * 500,
    "B305 blanks": b'{ "a" : [ 1 , 2 ] }',
    "B306 a name twice in the data": b'{"a":1,"a":2,"\\u0061":3}',
    "B307 62 levels": b"[" * 62 + b"]" * 62,
}


@pytest.mark.parametrize("what", TAKEN)
async def test_what_json_allows_is_forwarded_byte_for_byte(api: GatewayApi, what: str) -> None:
    """No shape reads and writes it again."""
    requests = shapes(TAKEN[what])

    found = {shape: await verdict(api, request) for shape, request in requests.items()}

    assert found == dict.fromkeys(requests, (202, None))
    assert [record.value for record in api.publisher.records] == [TAKEN[what]] * len(requests)


ENVELOPES: dict[str, bytes] = {
    "B306 twice": b'{"subscriber":"acme","subscriber":"other","type":"t"}',
    "B306 twice by an escape": b'{"subscriber":"acme","type":"t","\\u0074ype":"u"}',
    "B306 data twice": b'{"subscriber":"acme","type":"t","data":1,"data":2}',
}


@pytest.mark.parametrize("what", ENVELOPES)
async def test_an_envelope_that_could_be_read_in_two_ways_is_refused(
    api: GatewayApi, what: str
) -> None:
    """Routing must not depend on who reads it."""
    found = await verdict(api, ("/v1/events", {"Content-Type": JSON}, ENVELOPES[what]))

    assert found == (400, "invalid_json")
    assert api.publisher.records == []


LARGE: dict[str, bytes] = {
    "B308 many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(1_000_000)) + b"}",
    "B308 many arrays": b"[" + b",".join([b"[]"] * 400_000) + b"]",
    "B307 a million open brackets": b"[" * 1_000_000,
}
NARROW: dict[str, bytes] = {
    "B308 keys in a quarter of a megabyte": (
        b"{" + b",".join(b'"%x":1' % n for n in range(26_000)) + b"}"
    ),
    "B308 arrays in it": b"[" + b",".join([b"[]"] * 87_000) + b"]",
    "B308 brackets in a string": b'"' + b"[" * 262_000 + b'"',
    "B308 quotes in a string": b'"' + b'\\"' * 131_000 + b'"',
}


@pytest.mark.parametrize("what", LARGE)
async def test_what_is_too_large_is_refused_before_it_is_read(api: GatewayApi, what: str) -> None:
    """413 before any parser sees it."""
    with io.BytesIO(NATIVE % LARGE[what]) as body:
        async with api.client.post(
            "/v1/events", data=body, headers={"Content-Type": JSON}
        ) as response:
            found = response.status, orjson.loads(await response.read())["code"]

    assert found == (413, "too_large")


@pytest.mark.parametrize("what", NARROW)
async def test_the_worst_that_fits_is_read_in_bounded_time(api: GatewayApi, what: str) -> None:
    """Nothing is quadratic: other requests wait behind it."""
    requests = shapes(NARROW[what])
    began = time.process_time()

    found = {shape: await verdict(api, request) for shape, request in requests.items()}

    assert found == dict.fromkeys(requests, (202, None))
    assert time.process_time() - began < SLOWEST_S * len(requests)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/json"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
        ({"Content-Type": JSON, "Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"Content-Type": JSON, "Content-Encoding": "br, gzip"}, 415, "unsupported_media_type"),
    ],
)
async def test_other_types_and_encodings_are_a_415(
    api: GatewayApi, headers: dict[str, str], status: int, code: str
) -> None:
    """B309 and B313: nothing is inflated, nothing is guessed."""
    found = await verdict(api, ("/v1/events", headers, NATIVE % b"1"))

    assert found == (status, code)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", None),
        ("type", "a b"),
        ("type", "é"),
        ("type", "x" * 257),
        ("id", "x" * 257),
        ("id", "a\nb"),
        ("id", ""),
        ("subscriber", "$keys"),
        ("subscriber", "a/b"),
        ("time", "2026-13-01T00:00:00Z"),
        ("time", "1767225600000"),
        ("time", 1767225600000),
        ("time", "-1"),
        ("time", "-0001-01-01T00:00:00Z"),
        ("time", "9999-12-31T23:59:59Z"),
    ],
)
async def test_a_wrong_field_names_itself(api: GatewayApi, field: str, value: object) -> None:
    """B314 and B317: 422 with a pointer; nothing is written, nothing is echoed."""
    event = {"subscriber": "acme", "type": "t", "id": "1", field: value}

    async with api.client.post("/v1/events", json=event) as response:
        raw = await response.read()

    assert response.status == 422
    assert [error["pointer"] for error in orjson.loads(raw)["errors"]] == [f"/{field}"]
    assert value is None or len(str(value)) < 3 or str(value).encode() not in raw
    assert api.publisher.records == []


@pytest.mark.parametrize(
    "moment", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2016-12-31T23:59:60Z"]
)
async def test_the_time_of_an_event_is_data(api: GatewayApi, moment: str) -> None:
    """B317: old times and leap seconds are fine, nothing is ordered by them."""
    event = {"subscriber": "acme", "type": "t", "time": moment}

    async with api.client.post("/v1/events", json=event) as response:
        assert response.status == 202


async def test_one_idempotency_key_makes_one_event_also_at_once(api: GatewayApi) -> None:
    """B316: requests that race have the same ids, so fan-out delivers one of them."""
    headers = {"Content-Type": JSON, "Idempotency-Key": "order-7"}
    body = b'{"subscriber":"acme","type":"t","data":1}'

    async def send() -> tuple[str, str]:
        async with api.client.post("/v1/events", data=body, headers=headers) as response:
            answer = orjson.loads(await response.read())
            return answer["id"], answer["webhook_id"]

    assert len(set(await asyncio.gather(*(send() for _ in range(20))))) == 1


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"'])
@pytest.mark.parametrize("media_type", [JSON, STRUCTURED])
async def test_an_envelope_of_another_kind_is_understood_and_wrong(
    api: GatewayApi, body: bytes, media_type: str
) -> None:
    """It is JSON; in a batch, too, it is told apart from what is none."""
    alone = await verdict(api, ("/v1/events", {"Content-Type": media_type}, body))
    batch_type = JSON if media_type == JSON else "application/cloudevents-batch+json"
    item = await verdict(
        api, ("/v1/events/batch", {"Content-Type": batch_type}, b"[" + body + b"]")
    )

    assert alone == item == (422, "validation_failed")
    assert api.publisher.records == []
