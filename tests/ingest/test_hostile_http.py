"""Requests that are not HTTP, lie about their length or stop (rows B309 to B312 of the catalogue).

Each case is a request that would be accepted, changed in the one way that is tested.
"""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from structlog.testing import capture_logs

from gateway.intake import Intake
from gateway.limits import EventLimits
from tests.fakes.gateway_api import HOST, ROOT_KEY, GatewayApi

BODY = b'{"subscriber":"acme","type":"t"}'
START = b"POST /v1/events HTTP/1.1"
HOST_FIELD = b"Host: x"
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
FIELDS = (
    b"Authorization: Bearer " + ROOT_KEY.encode(),
    b"Content-Type: application/json",
    b"Connection: close",
)
SOON_S = 0.2
ENOUGH_S = 10.0


def request(
    *fields: bytes, start: bytes = START, line_end: bytes = b"\r\n", body: bytes = BODY
) -> bytes:
    """Write a request with these fields besides the usual ones."""
    head = line_end.join([start, *FIELDS, *fields])
    return head + line_end * 2 + body


async def speak(port: int, raw: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(raw)
        async with asyncio.timeout(ENOUGH_S):
            return await reader.read()
    finally:
        writer.close()


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve an API that waits for bodies and on idle connections for a moment only."""
    limits = EventLimits(262_144, 8 << 20, SOON_S)
    async with GatewayApi(limits=limits, keepalive_s=SOON_S) as served:
        yield served


GOOD: dict[str, bytes] = {
    "a length": request(HOST_FIELD, LENGTH),
    "chunks": request(HOST_FIELD, CHUNKED, body=CHUNKS),
    "many fields": request(HOST_FIELD, LENGTH, *(b"H%d: x" % n for n in range(60))),
    "a long field": request(HOST_FIELD, LENGTH, b"A: " + b"x" * 8_000),
}
MALFORMED: dict[str, bytes] = {
    "no host": request(LENGTH),
    "two hosts": request(HOST_FIELD, b"Host: y", LENGTH),
    "a length and chunks": request(HOST_FIELD, LENGTH, CHUNKED, body=CHUNKS),
    "two lengths": request(HOST_FIELD, LENGTH, b"Content-Length: 3"),
    "the same length twice": request(HOST_FIELD, LENGTH, LENGTH),
    "a length with a sign": request(HOST_FIELD, b"Content-Length: +%d" % len(BODY)),
    "a length below zero": request(HOST_FIELD, b"Content-Length: -1"),
    "a length in hex": request(HOST_FIELD, b"Content-Length: 0x20"),
    "chunked twice": request(HOST_FIELD, CHUNKED, CHUNKED, body=CHUNKS),
    "another coding": request(HOST_FIELD, b"Transfer-Encoding: gzip"),
    "chunked is not the last": request(HOST_FIELD, b"Transfer-Encoding: chunked, gzip"),
    "a field of 9 KB": request(HOST_FIELD, LENGTH, b"A: " + b"x" * 9_000),
    "200 fields": request(HOST_FIELD, LENGTH, *(b"H%d: x" % n for n in range(200))),
    "bare line feeds": request(HOST_FIELD, LENGTH, line_end=b"\n"),
    "one bare line feed": request(HOST_FIELD + b"\nX: y", LENGTH),
    "a bare carriage return": request(HOST_FIELD + b"\rX: y", LENGTH),
    "a folded field": request(HOST_FIELD, LENGTH, b"A: b\r\n c"),
    "a blank before the colon": request(HOST_FIELD, LENGTH, b"A : b"),
    "no colon": request(HOST_FIELD, LENGTH, b"A"),
    "a zero byte": request(HOST_FIELD, LENGTH, b"A: a\x00b"),
    "a long path": request(HOST_FIELD, LENGTH, start=b"POST /" + b"x" * 20_000 + b" HTTP/1.1"),
    "no version": request(HOST_FIELD, LENGTH, start=b"POST /v1/events"),
    "HTTP/2": request(HOST_FIELD, LENGTH, start=b"POST /v1/events HTTP/2.0"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03junk\r\n\r\n",
}


@pytest.mark.parametrize("what", GOOD)
async def test_what_the_others_are_made_of_is_accepted(api: GatewayApi, what: str) -> None:
    """So the reason of a refusal below is the one that is named."""
    answer = await speak(api.server.port, GOOD[what])

    assert answer.split(b" ", 2)[1] == b"202"


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_two_could_read_differently_is_refused(api: GatewayApi, what: str) -> None:
    """B310: one 400, then the connection closes: a proxy before us may see another end."""
    answer = await speak(api.server.port, MALFORMED[what])

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"400"
    assert b"application/problem+json" in head
    assert orjson.loads(body)["code"] == "invalid_request"
    assert answer.count(b" 400 Bad Request") == 1
    assert b"junk" not in answer
    assert api.publisher.records == []


async def test_what_comes_after_the_length_is_no_part_of_the_body(api: GatewayApi) -> None:
    """B309: a length that is too small; the rest is not taken for an event."""
    raw = request(HOST_FIELD, b"Content-Length: 3").replace(b"Connection: close\r\n", b"")

    answer = await speak(api.server.port, raw)

    assert answer.split(b" ", 2)[1] == b"400"
    assert api.publisher.records == []
    assert (api.intake.requests, api.intake.bytes_held) == (0, 0)


async def test_a_body_shorter_than_its_length_is_given_up(api: GatewayApi) -> None:
    """B309 and B312: it says ten bytes and sends one; 408, and its place is free again."""
    answer = await speak(api.server.port, request(HOST_FIELD, b"Content-Length: 10", body=b"1"))

    assert answer.split(b" ", 2)[1] == b"408"
    assert (api.intake.requests, api.intake.bytes_held) == (0, 0)


class Watched(Intake):
    """An intake that says when a request came in and when it was gone."""

    def __init__(self) -> None:
        super().__init__(100, 1 << 30)
        self.entered, self.left = asyncio.Event(), asyncio.Event()

    def enter(self, body_bytes: int) -> bool:
        """Take a place."""
        self.entered.set()
        return super().enter(body_bytes)

    def leave(self, body_bytes: int) -> None:
        """Give it back."""
        super().leave(body_bytes)
        self.left.set()


@pytest.mark.parametrize(
    "raw",
    [
        request(HOST_FIELD, b"Content-Length: 99"),
        request(HOST_FIELD, CHUNKED, body=b"400\r\n{"),
        request(HOST_FIELD, CHUNKED, body=b""),
    ],
    ids=["a length", "half a chunk", "no chunk"],
)
async def test_a_client_that_hangs_up_within_its_body_is_no_fault_of_ours(raw: bytes) -> None:
    """Else anybody could fill the log with alarms."""
    intake = Watched()
    with capture_logs() as lines:
        async with GatewayApi(intake=intake) as api, asyncio.timeout(ENOUGH_S):
            _, writer = await asyncio.open_connection(HOST, api.server.port)
            writer.write(raw)
            await intake.entered.wait()
            writer.close()
            await intake.left.wait()

    assert lines == []
    assert (api.counted("invalid"), api.counted("unavailable")) == (1, 0)


@pytest.mark.parametrize(
    "raw",
    [b"", b"PO", START + b"\r\n" + HOST_FIELD, request(HOST_FIELD, LENGTH)[:-40]],
    ids=["nothing", "half a line", "half a head", "a head without its end"],
)
async def test_who_connects_and_says_nothing_whole_is_hung_up_on(
    api: GatewayApi, raw: bytes
) -> None:
    """B311: without an answer, after the time that an idle connection is kept."""
    assert await speak(api.server.port, raw) == b""
