"""The short way of a plain event and the application: the same request, the same answer."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fakes.gateway_api import ROOT_KEY, GatewayApi
from tests.fakes.raw_http import Client
from tests.registry_keys import event_type_key

SERVED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TURNS = 8
"""Of the event loop, after which what was sent has been read."""
_DATE = re.compile(rb"Date: [^\r]*")
_DRAWN = re.compile(rb"evt_\d{26}|msg_[0-9a-z]{26}")

GOOD: dict[str, object] = {"subscriber": "acme", "type": "order.paid", "id": "i1", "data": {"n": 1}}
VALUES: st.SearchStrategy[object] = (
    st.sampled_from(
        [
            "acme",
            "order.paid",
            "checked",
            "strict",
            "ü",
            "a\u0000b",
            "",
            "x" * 300,
            "2100-01-01T00:00:00Z",
        ]
    )
    | st.none()
    | st.integers()
    | st.lists(st.integers(), max_size=3)
)
NAMES = st.sampled_from(
    ["subscriber", "type", "id", "source", "time", "subject", "ordering_key", "data", "other"]
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=3).map(lambda more: GOOD | more)
NOISE = st.sampled_from(
    [b"", b"", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xc3\xbc"]
)
"""What no text of ours has: bytes above 0x7f that are no UTF-8, and one letter that is."""
KEY = f"Bearer {ROOT_KEY}"
HEADERS = st.lists(
    st.sampled_from(
        [
            ("Content-Type", "application/json"),
            ("content-type", "text/plain"),
            ("Authorization", KEY),
            ("AUTHORIZATION", "Bearer nobody"),
            ("Content-Encoding", "gzip"),
            ("Content-Encoding", "identity"),
            ("Idempotency-Key", "k"),
            ("Idempotency-Key", "\u00e9"),
            ("webhook-hops", "1"),
            ("webhook-hops", "7"),
            ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"),
            ("tracestate", "a=b"),
            ("ce-id", "1"),
            ("Ce-Specversion", "1.0"),
            ("Connection", "close"),
            ("Connection", "Keep-Alive"),
            ("Proxy-Connection", "close"),
            ("Sec-WebSocket-Key1", "x"),
            ("", "x"),
            ("Expect", "100-continue"),
            ("Expect", "nothing"),
            ("Upgrade", "websocket"),
            ("X-Forwarded-For", "::1"),
            ("User-Agent", "x"),
        ]
    ),
    max_size=2,
)


class Ways:
    """Two deployments that differ in nothing but the way of plain events."""

    def __init__(self) -> None:
        self.apis = (GatewayApi(is_express=True), GatewayApi(is_express=False))

    async def start(self) -> None:
        """Serve, with a schema for one type and a quota for one subscriber."""
        for api in self.apis:
            await api.__aenter__()
            common = {"v": 1, "version": 1, "deleted": False}
            times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
            checked = {"name": "checked", "schema": {"type": "object"}, "validation": "warn"}
            api.topic.apply(
                event_type_key("checked"), json.dumps({**common, **times, **checked}).encode()
            )

    async def stop(self) -> None:
        """End both."""
        for api in self.apis:
            await api.__aexit__(None, None, None)

    async def ask(self, api: GatewayApi, pieces: Sequence[bytes], *, answers: int) -> bytes:
        """Send what makes so many requests, piece by piece; give the answers."""
        found = []
        async with Client(api.server.port) as client:
            for piece in pieces:
                client.send(piece)
                for _ in range(TURNS):
                    await asyncio.sleep(0)
            for _ in range(answers):
                head, body = await client.read()
                found.append(_DATE.sub(b"", head) + body)
        return b"".join(found)

    async def compare(self, pieces: Sequence[bytes], *, answers: int = 1) -> None:
        """Ask both and hold their answers and what they wrote against each other."""
        found = []
        for api in self.apis:
            api.publisher.records.clear()
            answer = _DRAWN.sub(b"drawn", await self.ask(api, pieces, answers=answers))
            assert b"HTTP/1.1 500" not in answer
            written = [
                msgspec.structs.replace(
                    one, headers=[(n, _DRAWN.sub(b"drawn", v)) for n, v in one.headers]
                )
                for one in api.publisher.records
            ]
            counted = [api.counted(result) for result in ("accepted", "invalid", "throttled")]
            found.append((answer, written, counted, api.intake.requests, api.intake.bytes_held))
        assert found[0] == found[1]


@pytest.fixture(scope="module")
def ways() -> Iterator[tuple[asyncio.Runner, Ways]]:
    """Serve both for all examples."""
    with asyncio.Runner() as runner:
        made = Ways()
        runner.run(made.start())
        yield runner, made
        runner.run(made.stop())


def request_of(
    document: object,
    headers: list[tuple[str, str]],
    *,
    is_spaced: bool,
    path: str,
    method: str,
    noise: tuple[int, bytes] = (0, b""),
) -> bytes:
    """Write a request; what `headers` hold comes beside, or in place of, what there should be.

    `noise` says which bytes to put into the body, and where.
    """
    separators = (", ", ": ") if is_spaced else (",", ":")
    body = json.dumps(document, ensure_ascii=False, separators=separators).encode()
    at = noise[0] % (len(body) + 1)
    body = body[:at] + noise[1] + body[at:]
    fields = {"Host": "x", "Content-Type": "application/json", "Authorization": KEY}
    named = {name.lower() for name, _ in headers}
    lines = [f"{name}: {value}" for name, value in fields.items() if name.lower() not in named]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
    return head.encode() + b"\r\n\r\n" + body


@given(
    document=DOCUMENTS,
    headers=HEADERS,
    is_spaced=st.booleans(),
    path=st.sampled_from(
        ["/v1/events", "/v1/events", "/v1/events", "/v1/events?x=1", "/v1/events/"]
    ),
    method=st.sampled_from(["POST", "POST", "POST", "GET"]),
    noise=st.tuples(st.integers(0, 200), NOISE),
)
@example(
    document=GOOD,
    headers=[],
    is_spaced=False,
    path="/v1/events",
    method="POST",
    noise=(0, b""),
)
@example(
    document=GOOD,
    headers=[],
    is_spaced=False,
    path="/v1/events",
    method="POST",
    noise=(len('{"subscriber":"a'), b"\xff"),
)
@example(
    document=GOOD,
    headers=[],
    is_spaced=False,
    path="/v1/events",
    method="POST",
    noise=(len('{"sub'), b"\xc0\xaf"),
)
@example(
    document=GOOD | {"type": "checked", "data": 5},
    headers=[],
    is_spaced=False,
    path="/v1/events",
    method="POST",
    noise=(0, b""),
)
@example(
    document=GOOD,
    headers=[(f"X-{n}", "1") for n in range(130)],
    is_spaced=False,
    path="/v1/events",
    method="POST",
    noise=(0, b""),
)
@settings(SERVED, max_examples=80)
def test_both_ways_answer_and_write_alike(
    ways: tuple[asyncio.Runner, Ways],
    document: object,
    headers: list[tuple[str, str]],
    *,
    is_spaced: bool,
    path: str,
    method: str,
    noise: tuple[int, bytes],
) -> None:
    """Byte for byte, but for the date and ids that are drawn; and it is never a fault."""
    runner, both = ways
    raw = request_of(document, headers, is_spaced=is_spaced, path=path, method=method, noise=noise)
    runner.run(both.compare([raw]))


WHOLE = (
    request_of(GOOD, [], is_spaced=False, path="/v1/events", method="POST"),
    request_of(GOOD, [], is_spaced=True, path="/v1/events", method="POST"),
    request_of(GOOD, [("ce-id", "1")], is_spaced=False, path="/v1/events", method="POST"),
    request_of([], [], is_spaced=False, path="/v1/events", method="POST"),
    b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n",
)


@given(
    requests=st.lists(st.sampled_from(WHOLE), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 1_000), max_size=4),
    is_cut_between=st.booleans(),
)
@example(requests=[WHOLE[0], WHOLE[4], WHOLE[4], WHOLE[2]], cuts=[212, 285], is_cut_between=False)
@example(requests=[WHOLE[2], WHOLE[3], WHOLE[2]], cuts=[181, 372], is_cut_between=False)
@settings(SERVED, max_examples=60)
def test_a_connection_may_be_cut_anywhere(
    ways: tuple[asyncio.Runner, Ways],
    requests: list[bytes],
    cuts: list[int],
    *,
    is_cut_between: bool,
) -> None:
    """Requests behind one another, in pieces of any size: the same answers in the same order."""
    runner, both = ways
    stream = b"".join(requests)
    ends = list(accumulate(map(len, requests))) if is_cut_between else []
    places = [0, *sorted({*ends, *(cut % len(stream) for cut in cuts)}), len(stream)]
    pieces = [stream[first:last] for first, last in pairwise(places) if first < last]
    runner.run(both.compare(pieces, answers=len(requests)))
