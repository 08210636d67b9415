"""Which requests go the short way, and what they leave behind; the answers: tests/property."""

import asyncio
from typing import cast

import orjson
import pytest

from gateway.intake import Intake
from gateway.limits import EventLimits
from gateway.metrics import GatewayMetrics
from gateway.publish import NotPublished
from gateway.sending import EventsTopic
from gateway.whole_request import whole_request
from gateway.wiring import Bounds, access_of, express_of, rules_of
from tests.fakes.gateway_api import ROOT_KEY, GatewayApi
from tests.fakes.raw_http import EVENT, Client, event_request


@pytest.mark.parametrize(
    ("request_bytes", "is_short"),
    [
        (event_request(), True),
        (event_request(fields=["X-Forwarded-For: ::1", "Accept: */*"]), True),
        (event_request(b'{"subscriber":"acme","type":"a.b"}'), True),
        (event_request(EVENT.replace(b",", b", ")), False),
        (event_request(b"[]"), False),
        (event_request(key="x" * 40), False),
        (event_request(fields=["Idempotency-Key: k"]), False),
        (event_request(fields=["webhook-hops: 1"]), False),
        (event_request(fields=[f"Authorization: Bearer {ROOT_KEY}"]), False),
        (event_request(fields=["CE-Id: 1"]), False),
        (event_request(fields=["Content-Encoding: identity"]), False),
        (event_request(fields=["Connection: close"]), False),
        (event_request(fields=["Proxy-Connection: close"]), False),
        (event_request(fields=["Sec-WebSocket-Key1: x"]), False),
        (event_request().replace(b"/v1/events", b"/v1/events/batch"), False),
        (event_request().replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (event_request().replace(b"application/json", b"application/cloudevents+json"), False),
    ],
)
async def test_what_is_plain_goes_the_short_way(request_bytes: bytes, *, is_short: bool) -> None:
    """Whatever means something else, or nothing, is the application's."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        status, _ = await client.ask(request_bytes)

        assert api.publisher.submitted == is_short
        assert status == 202 or not is_short


async def test_its_place_is_given_back_and_everything_is_counted_once() -> None:
    """As on the long way: the bound on memory depends on it."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(event_request())
        await client.until(lambda: api.publisher.submitted == 1)
        assert (api.intake.requests, api.intake.bytes_held) == (1, len(EVENT))
        api.publisher.release()
        status, body = await client.answer()

        assert (api.intake.requests, api.intake.bytes_held) == (0, 0)
        assert status == 202
        assert orjson.loads(body)["offset"] == 0
        assert api.counted("accepted") == 1
        assert (
            api.instruments.get_sample_value(
                "hooklane_ingest_request_duration_seconds_count", {"route": "events"}
            )
            == 1
        )


async def test_what_kafka_did_not_take_is_a_503_that_may_be_repeated() -> None:
    """P1: no 202 before the brokers' acknowledgement."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.outcomes.append(NotPublished(was_tried=True))

        status, body = await client.ask(event_request())

        assert status == 503
        assert orjson.loads(body)["code"] == "unknown"
        assert orjson.loads(body)["id"] == "i1"
        assert api.counted("unavailable") == 1


async def test_a_full_gateway_refuses_by_the_long_way_and_counts_it_once() -> None:
    """Looking for room must not count as having met the bound."""
    hits: list[str] = []
    intake = Intake(1, 1 << 20, on_full=hits.append)
    async with (
        GatewayApi(intake=intake) as api,
        Client(api.server.port) as first,
        Client(api.server.port) as second,
    ):
        api.publisher.is_holding = True
        first.send(event_request())
        await first.until(lambda: api.publisher.submitted == 1)

        status, body = await second.ask(event_request())

        assert status == 503
        assert orjson.loads(body)["code"] == "unavailable"
        assert hits == ["requests"]
        api.publisher.release()
        assert (await first.answer())[0] == 202


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_defect_is_one_500(*, is_written: bool) -> None:
    """Logged; its place is given back, and the connection and all others go on."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        if is_written:
            api.publisher.outcomes.append(cast("NotPublished", object()))
        else:
            api.publisher.is_broken = True

        status, body = await client.ask(event_request())

        assert (status, orjson.loads(body)["code"]) == (500, "internal")
        assert [one["event"] for one in api.said.entries] == ["gateway.request_failed"]
        assert (api.intake.requests, api.intake.bytes_held) == (0, 0)
        api.publisher.is_broken = False
        assert (await client.ask(event_request()))[0] == 202


async def test_the_answers_of_one_turn_are_sent_together_after_it() -> None:
    """One by one they cost the caches; one that cannot be sent keeps back none of the others."""
    api = GatewayApi()
    limits = EventLimits(1 << 18, 1 << 20, 1.0)
    bounds = Bounds(EventsTopic("events", 12), limits, api.intake)
    metrics = GatewayMetrics(api.fresh_instruments())
    rules, access = rules_of(api.ports, metrics), access_of(api.ports, ROOT_KEY)
    express = express_of(api.ports, bounds, metrics, rules=rules, access=access, log=api.log)
    request = whole_request(event_request())
    assert express is not None
    assert request is not None
    sent: list[bytes] = []

    def break_off(_: bytes) -> None:
        raise RuntimeError("a defect")

    api.publisher.is_holding = True
    for send in (sent.append, break_off, sent.append):
        assert express.serve(request, send)
    api.publisher.release()
    assert (api.intake.requests, sent) == (0, [])
    await asyncio.sleep(0)

    assert [answer.split(b"\r\n")[0] for answer in sent] == [b"HTTP/1.1 202 Accepted"] * 2
    assert [one["event"] for one in api.said.entries] == ["gateway.request_failed"]
