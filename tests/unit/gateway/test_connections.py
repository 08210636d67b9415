"""How many connections there may be, and how much one may hold; on both event loops."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress

import orjson
import pytest
import uvloop
from aiohttp import web

from gateway.connections import (
    BODY_WINDOW_BYTES,
    HEAD_BYTES_MAX,
    READ_BYTES,
    RESERVED,
    fit,
)
from gateway.server import HttpServer
from tests.fakes.gateway_api import HOST, ROOT_KEY, GatewayApi
from tests.fakes.raw_http import EVENT

MIB = 1_048_576
GET = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
POST = (
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + ROOT_KEY.encode() + b"\r\nContent-Length: %d\r\n\r\n"
)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Trial = Callable[[], Coroutine[object, object, None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Trial], None]:
    """Give a runner of a coroutine on either loop; a read lands in our buffer on both."""

    def runner(trial: Trial) -> None:
        with asyncio.Runner(loop_factory=request.param) as loop:
            loop.run(asyncio.wait_for(trial(), 20))

    return runner


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; the runner bounds it."""
    while not is_so():  # noqa: ASYNC110  # nothing tells us: what is awaited is the server's state
        await asyncio.sleep(0)


async def connect(api: GatewayApi) -> Streams:
    """Open one connection."""
    return await asyncio.open_connection(HOST, api.server.port)


async def served(streams: Streams) -> None:
    """Let one request be answered and keep the connection."""
    reader, writer = streams
    writer.write(GET)
    await answered(reader)


async def answered(reader: asyncio.StreamReader) -> None:
    """Read one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    await reader.readexactly(int(length.split(b":")[1]))


async def begun(api: GatewayApi, streams: Streams) -> None:
    """Send a head and a part of its body, until the server is busy with it."""
    before = api.intake.requests
    streams[1].write(POST % 100 + b"{")
    await until(lambda: api.intake.requests > before)


def test_one_connection_too_many_gets_a_503_and_is_closed(
    run: Callable[[Trial], None],
) -> None:
    """A problem with Retry-After, counted; the ones inside go on."""

    async def trial() -> None:
        async with GatewayApi(connections_max=2) as api:
            inside = [await connect(api), await connect(api)]
            for streams in inside:
                await begun(api, streams)
            reader, writer = await connect(api)
            writer.write(POST % 5_000_000 + b"x" * 300_000)

            answer = await reader.read()

            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1" in head
            assert b"Connection: close" in head
            assert orjson.loads(body)["code"] == "unavailable"
            assert api.limit_hits == ["connections"]
            assert api.server.connections == 2
            writer.close()
            inside[0][1].write(b'"' + b" " * 98)
            assert (await inside[0][0].read(12)).startswith(b"HTTP/1.1 400")
            for _, other in inside:
                other.close()

    run(trial)


def test_an_idle_connection_makes_room_for_a_new_one(run: Callable[[Trial], None]) -> None:
    """A balancer's spare connections keep nobody out."""

    async def trial() -> None:
        async with GatewayApi(connections_max=2) as api:
            api.server._doorway.idle_s_min = 0
            busy, idle = await connect(api), await connect(api)
            await served(idle)
            await begun(api, busy)

            new = await connect(api)
            await served(new)

            assert await idle[0].read() == b""
            assert api.server.connections == 2
            for _, writer in (busy, idle, new):
                writer.close()

    run(trial)


def test_requests_in_pieces_behind_one_another_do_not_stand_still(
    run: Callable[[Trial], None],
) -> None:
    """However many bodies came in two reads; aiohttp by itself stops at the third."""

    async def trial() -> None:
        for is_express in (True, False):
            async with GatewayApi(is_express=is_express) as api:
                reader, writer = await connect(api)
                for _ in range(3):
                    await begun(api, (reader, writer))
                    writer.write(b'"' + b" " * 98)
                    await answered(reader)
                writer.write(GET + GET + GET)
                for _ in range(3):
                    await answered(reader)
                writer.close()

    run(trial)


def test_who_just_came_is_at_rest(run: Callable[[Trial], None]) -> None:
    """Its first event goes the short way, also when it comes before aiohttp's task began."""

    async def trial() -> None:
        async with GatewayApi() as api:
            clients = [socket.create_connection((HOST, api.server.port)) for _ in range(20)]
            for client in clients:  # all of it is there when the server looks for the first time
                client.sendall(POST % len(EVENT) + EVENT)
            for client in clients:
                reader, writer = await asyncio.open_connection(sock=client)
                await answered(reader)
                writer.close()

            assert api.publisher.submitted == len(clients)

    run(trial)


def test_who_asks_just_now_is_not_idle(run: Callable[[Trial], None]) -> None:
    """Not from the moment in which its request was read: it would be closed unanswered."""

    async def trial() -> None:
        async with GatewayApi() as api:
            streams = await connect(api)
            await served(streams)
            (connection,) = api.server._doorway.inside
            await until(lambda: connection.is_idle)

            connection.data_received(GET)

            assert not connection.is_idle
            assert (await streams[0].read(12)).startswith(b"HTTP/1.1 200")
            streams[1].close()

    run(trial)


def test_who_was_served_just_now_is_not_closed(run: Callable[[Trial], None]) -> None:
    """Its next request would be lost; the new one is told to come again."""

    async def trial() -> None:
        async with GatewayApi(connections_max=1) as api:
            inside = await connect(api)
            await served(inside)

            reader, writer = await connect(api)
            writer.write(GET)

            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            await served(inside)
            for _, other in (inside, (reader, writer)):
                other.close()

    run(trial)


def test_a_place_is_free_when_its_connection_has_gone(run: Callable[[Trial], None]) -> None:
    """Nothing is counted for ever."""

    async def trial() -> None:
        async with GatewayApi(connections_max=1) as api:
            for _ in range(3):
                streams = await connect(api)
                await served(streams)
                streams[1].close()
                await until(lambda: api.server.connections == 0)

            assert api.limit_hits == []

    run(trial)


def test_of_those_turned_away_only_so_many_are_answered(run: Callable[[Trial], None]) -> None:
    """The rest is cut at once: a flood costs no more than that."""

    async def trial() -> None:
        async with GatewayApi(connections_max=1) as api:
            inside = await connect(api)
            await begun(api, inside)
            api.server._doorway.turned_away_max = 5
            waiting = [await connect(api) for _ in range(5)]
            reader, writer = await connect(api)

            with suppress(ConnectionError):
                assert await reader.read() == b"", "cut without a word"

            assert len(api.limit_hits) == 6
            for _, other in (*waiting, inside):
                other.close()
            writer.close()

    run(trial)


def test_a_body_that_nobody_reads_is_held_up_to_the_window(run: Callable[[Trial], None]) -> None:
    """What does not fit stays with the client, however much it has to send."""

    async def trial() -> None:
        requests: asyncio.Queue[web.Request] = asyncio.Queue()
        release = asyncio.Event()

        async def wait(request: web.Request) -> web.Response:
            requests.put_nowait(request)
            await release.wait()
            return web.Response(text=str(len(await request.read())))

        app = web.Application(client_max_size=4 * MIB)
        app.router.add_post("/", wait)
        server = HttpServer(
            app, host=HOST, port=0, keepalive_s=5, connections_max=1, on_full=lambda: None
        )
        await server.start()
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (4 * MIB))
        request = await requests.get()
        writer.write(b"x" * 4 * MIB)
        await until(lambda: request.protocol._reading_paused)
        for _ in range(100):
            await asyncio.sleep(0)

        held = request.content._size
        release.set()
        answer = await reader.readuntil(b"%d" % (4 * MIB))

        assert BODY_WINDOW_BYTES < held <= 2 * BODY_WINDOW_BYTES + READ_BYTES
        assert answer.startswith(b"HTTP/1.1 200 ")
        writer.close()
        await server.stop()

    run(trial)


def test_a_head_without_an_end_is_cut_off(run: Callable[[Trial], None]) -> None:
    """Many fields of lawful size are too much together."""

    async def trial() -> None:
        async with GatewayApi() as api:
            reader, writer = await connect(api)
            field = b"X-Field: " + b"x" * 4_000 + b"\r\n"
            writer.write(b"GET /v1/keys HTTP/1.1\r\nHost: x\r\n" + field * 30)

            answer = await reader.read()

            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"above %d bytes" % HEAD_BYTES_MAX in answer
            writer.close()

    run(trial)


def test_many_requests_on_one_connection_are_no_long_head(run: Callable[[Trial], None]) -> None:
    """Pipelined or one after the other: every request begins anew."""

    async def trial() -> None:
        async with GatewayApi() as api:
            reader, writer = await connect(api)
            head = b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\nX-Field: " + b"x" * 4_000 + b"\r\n"
            count = 3 * HEAD_BYTES_MAX // len(head)
            writer.write((head + b"\r\n") * count)
            writer.write(head + b"Connection: close\r\n\r\n")

            answers = await reader.read()

            assert answers.count(b"HTTP/1.1 404 ") == count + 1
            writer.close()

    run(trial)


@pytest.mark.parametrize(
    ("limit", "connections"), [(100_000, 1_000), (2_280, 1_000), (1_024, 512), (100, 50), (1, 1)]
)
def test_fewer_files_are_fewer_connections(limit: int, connections: int) -> None:
    """A reserve is left for Kafka, or half of what there is."""
    assert fit(limit, wanted=1_000) == connections
    assert limit == 1 or connections <= limit - min(RESERVED, limit // 2)
