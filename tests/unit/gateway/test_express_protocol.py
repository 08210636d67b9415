"""The order of answers, and connections that end, while an event is on the short way."""

import asyncio

import pytest

from gateway.connections import HEAD_BYTES_MAX
from gateway.express_protocol import ExpressProtocol
from gateway.server import ARRIVAL_TURNS
from tests.fakes.gateway_api import GatewayApi
from tests.fakes.raw_http import EVENT, Client, event_request

DOCS = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


def numbered(number: int) -> bytes:
    """Write an event that can be told from others."""
    return event_request(EVENT.replace(b'"i1"', b'"i%d"' % number))


async def test_a_connection_serves_both_ways_in_turn() -> None:
    """One does not spoil the connection for the other."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        for number in range(3):
            status, body = await client.ask(numbered(number))
            assert (status, b'"i%d"' % number in body) == (202, True)
            assert (await client.ask(DOCS))[0] == 200
            assert (await client.ask(event_request(b"nothing")))[0] == 400

        assert api.publisher.submitted == 3


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    """What comes behind an event waits for it, whichever way it goes itself."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(numbered(1))
        await client.until(lambda: api.publisher.submitted == 1)
        client.send(DOCS + numbered(2) + numbered(3) + DOCS)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(api.publisher.records) == 1
        api.publisher.release()

        answers = [await client.answer() for _ in range(5)]

        assert [status for status, _ in answers] == [202, 200, 202, 202, 200]
        assert [b'"i%d"' % n in answers[at][1] for at, n in ((0, 1), (2, 2), (3, 3))] == [True] * 3


async def test_a_body_in_pieces_is_served_too() -> None:
    """Only what is whole is looked at; what follows is looked at again."""
    raw = event_request()
    async with GatewayApi() as api, Client(api.server.port) as client:
        client.send(raw[:-5])
        await client.until(lambda: api.intake.requests == 1)
        client.send(raw[-5:])

        assert (await client.answer())[0] == 202
        assert api.publisher.submitted == 0
        assert (await client.ask(raw))[0] == 202
        assert api.publisher.submitted == 1


async def test_a_declined_upgrade_swaps_no_answers() -> None:
    """What comes behind it is read by aiohttp in a way of its own."""
    upgrade = DOCS.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(upgrade + event_request(EVENT.replace(b",", b", ")))
        await client.until(lambda: len(api.publisher.records) == 1)
        client.send(numbered(2))
        for _ in range(20):
            await asyncio.sleep(0)
        api.publisher.release()

        answers = [await client.answer() for _ in range(3)]

        assert [status for status, _ in answers] == [200, 202, 202]
        assert [b'"i1"' in answers[1][1], b'"i2"' in answers[2][1]] == [True, True]


async def test_what_waits_behind_an_event_is_bounded() -> None:
    """Two requests; the rest stays in the socket."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(numbered(1))
        await client.until(lambda: api.publisher.submitted == 1)
        (connection,) = api.server._doorway.inside
        transport = connection.transport
        assert transport is not None
        for number in (2, 3):
            assert transport.is_reading()
            client.send(numbered(number))
            for _ in range(20):
                await asyncio.sleep(0)

        assert not transport.is_reading()
        api.publisher.release()
        assert [(await client.answer())[0] for _ in range(3)] == [202] * 3
        assert (await client.ask(numbered(4)))[0] == 202


async def test_a_head_that_is_too_large_waits_for_the_event_before_it() -> None:
    """Its refusal would be taken for the answer of the event."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(numbered(1))
        await client.until(lambda: api.publisher.submitted == 1)
        client.send(
            b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 7_000) for n in range(12))
        )
        (connection,) = api.server._doorway.inside
        await client.until(lambda: connection.head_bytes > HEAD_BYTES_MAX)
        api.publisher.release()

        status, body = await client.answer()

        assert (status, b'"i1"' in body) == (202, True)
        assert await client.is_closed()


async def test_a_connection_that_is_to_close_closes_behind_the_answer() -> None:
    """As aiohttp does when the server drains; what came behind is not begun."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(numbered(1))
        await client.until(lambda: api.publisher.submitted == 1)
        client.send(numbered(2))
        (connection,) = api.server._doorway.inside
        assert isinstance(connection, ExpressProtocol)
        await client.until(lambda: bool(connection._behind))
        connection.close()
        api.publisher.release()

        assert (await client.answer())[0] == 202
        assert await client.is_closed()
        assert len(api.publisher.records) == 1


@pytest.mark.parametrize("is_under_way", [True, False])
@pytest.mark.parametrize("is_body", [True, False])
async def test_what_looks_like_a_request_inside_of_another_is_none(
    *, is_body: bool, is_under_way: bool
) -> None:
    """Where a request begins is decided once: a body or a field may hold anything."""
    raw, inner = event_request(), numbered(2)
    outer = event_request(inner, fields=["X-Long: "])
    begin = outer[: -len(inner) if is_body else outer.index(b"X-Long: ")]
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = is_under_way
        client.send(raw if is_under_way else raw + begin)
        await client.until(lambda: len(api.publisher.records) == 1)
        if is_under_way:
            client.send(begin)
            for _ in range(20):
                await asyncio.sleep(0)
            api.publisher.release()
            api.publisher.is_holding = False
        assert (await client.answer())[0] == 202
        client.send(inner)
        status, body = await client.answer()

        assert (status, b"i2" in body) == (400, False)
        assert len(api.publisher.records) == 1


async def test_a_client_that_is_gone_costs_nothing() -> None:
    """Its event is written, its answer is dropped, its place is given back."""
    async with GatewayApi() as api:
        api.publisher.is_holding = True
        async with Client(api.server.port) as client:
            client.send(event_request())
            await client.until(lambda: api.publisher.submitted == 1)
        await client.until(lambda: api.server.connections == 0)

        api.publisher.release()

        assert api.intake.requests == 0


@pytest.mark.parametrize("is_behind", [True, False])
async def test_a_drain_lets_the_event_under_way_be_answered(*, is_behind: bool) -> None:
    """SIGTERM: whoever was accepted is answered, then the connection closes."""
    async with GatewayApi() as api, Client(api.server.port) as client:
        api.publisher.is_holding = True
        client.send(event_request())
        await client.until(lambda: api.publisher.submitted == 1)
        if is_behind:
            client.send(event_request())
            for _ in range(20):
                await asyncio.sleep(0)
        drain = asyncio.create_task(api.server.drain(5))
        for _ in range(2 * ARRIVAL_TURNS + 2):
            await asyncio.sleep(0)

        api.publisher.release()

        await drain
        assert (await client.answer())[0] == 202
        assert await client.is_closed()


async def test_a_connection_is_idle_only_between_requests() -> None:
    """The keep-alive time does not run while an event is under way, and begins anew after it."""
    async with GatewayApi(keepalive_s=0.05) as api, Client(api.server.port) as client:
        assert (await client.ask(event_request()))[0] == 202
        api.publisher.is_holding = True
        client.send(event_request())
        await client.until(lambda: api.publisher.submitted == 2)
        (connection,) = api.server._doorway.inside
        assert not connection.is_idle
        connection._next_keepalive_close_time = 0.0
        connection._process_keepalive()
        api.publisher.release()

        assert (await client.answer())[0] == 202
        assert (await client.ask(event_request()))[0] == 202
        assert await client.is_closed()
