"""The listener: malformed HTTP, slow clients, draining."""

import asyncio
import socket
from collections.abc import Callable

import orjson
import pytest
import uvloop
from aiohttp import web

from chassis.refusal import StartRefused
from gateway.server import ARRIVAL_TURNS, HttpServer
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.gateway_api import HOST, ROOT_KEY, GatewayApi
from tests.fakes.raw_http import EVENT, Client, event_request


def server_of(app: web.Application, *, host: str = HOST, port: int = 0) -> HttpServer:
    """Give a server with room for everybody."""
    return HttpServer(
        app, host=host, port=port, keepalive_s=5, connections_max=100, on_full=lambda: None
    )


async def speak(port: int, raw: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(raw)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00junk\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"POST /v1/events HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_malformed_http_is_a_problem_without_an_echo(raw: bytes) -> None:
    """One answer, then the connection closes."""
    async with GatewayApi() as api:
        answer = await speak(api.server.port, raw)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"400"
    assert b"application/problem+json" in head
    assert orjson.loads(body)["code"] == "invalid_request"
    assert b"junk" not in answer


@pytest.mark.parametrize(
    "codings",
    [
        ["gzip, chunked"],
        ["gzip", "chunked"],
        ["chunked, chunked"],
        ["identity, chunked"],
        ["x;a=b, chunked"],
        ["gzip"],
    ],
)
async def test_a_transfer_coding_that_is_not_undone_is_refused(codings: list[str]) -> None:
    """A body that was compressed on the way would be taken for what the client meant."""
    lines = "".join(f"Transfer-Encoding: {one}\r\n" for one in codings).encode()

    async with GatewayApi() as api:
        answer = await speak(api.server.port, _chunked(lines))

        assert answer.split(b" ", 2)[1] == b"400"
        assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "invalid_request"
        assert api.publisher.records == []


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"  chunked "])
async def test_a_body_in_chunks_is_taken(coding: bytes) -> None:
    """However its name is written."""
    async with GatewayApi() as api:
        raw = _chunked(b"Connection: close\r\nTransfer-Encoding:%b\r\n" % coding)
        answer = await speak(api.server.port, raw)

        assert answer.split(b" ", 2)[1] == b"202"


def _chunked(lines: bytes) -> bytes:
    """Write an event in one chunk, with these header lines."""
    return (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (ROOT_KEY.encode(), lines, len(EVENT), EVENT)
    )


async def test_a_broken_chunk_is_a_problem() -> None:
    """The head was fine, the body is not framed."""
    raw = (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + ROOT_KEY.encode() + b"\r\nTransfer-Encoding: chunked\r\n"
        b"\r\nzz\r\n"
    )
    async with GatewayApi() as api:
        answer = await speak(api.server.port, raw)

        assert answer.split(b" ", 2)[1] == b"400"
        assert b"application/problem+json" in answer
        assert api.intake.requests == 0


async def test_an_idle_connection_is_closed() -> None:
    """A client that connects and says nothing holds a socket for the keep-alive time only."""
    async with GatewayApi(keepalive_s=0.05) as api:
        assert await speak(api.server.port, b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n") != b""


async def test_a_taken_port_refuses_the_start_in_one_line() -> None:
    """The line says which variables to set."""
    with socket.create_server((HOST, 0)) as taken:
        server = server_of(web.Application(), port=taken.getsockname()[1])

        with pytest.raises(StartRefused, match="HOOKLANE_GATEWAY__PORT"):
            await server.start()

    await server.stop()


async def test_a_drain_lets_running_requests_end_and_takes_no_more() -> None:
    """SIGTERM: whoever was accepted is answered."""
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request) -> web.Response:
        entered.set()
        await release.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/", wait)
    server = server_of(app)
    await server.start()
    port = server.port
    running = asyncio.create_task(speak(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    await entered.wait()
    drain = asyncio.create_task(server.drain(5))
    for _ in range(2 * ARRIVAL_TURNS + 2):
        await asyncio.sleep(0)

    with pytest.raises(OSError, match=r"(?i)refused|connect"):
        await asyncio.open_connection(HOST, port)
    release.set()
    await drain

    assert (await running).endswith(b"done")
    await server.stop()


@pytest.mark.parametrize("is_express", [True, False])
async def test_a_drain_answers_what_reached_the_kernel_before_it(is_express: bool) -> None:
    """A connection in the backlog, and a next request on a connection that was served before."""
    async with GatewayApi(is_express=is_express) as api:
        kept = socket.create_connection((HOST, api.server.port), timeout=5)
        kept.sendall(event_request())
        first = await asyncio.to_thread(kept.recv, 65_536)
        new = socket.create_connection((HOST, api.server.port), timeout=5)
        for one in (kept, new):
            one.sendall(event_request())  # nobody has read it when the drain begins

        await api.server.drain(5)

        assert first.startswith(b"HTTP/1.1 202")
        for one in (kept, new):
            answer = one.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 202")
            assert one.recv(1) == b""
            one.close()
        assert len(api.publisher.records) == 3


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(("waiting", "connections_max"), [(50, 1_000), (30, 5)])
def test_a_drain_takes_a_whole_backlog(
    new_loop: Callable[[], asyncio.AbstractEventLoop], waiting: int, connections_max: int
) -> None:
    """Uvloop accepts one connection a turn; also those above the bound are told, not reset."""

    async def trial() -> list[bytes]:
        async with GatewayApi(connections_max=connections_max) as api:
            found = [
                socket.create_connection((HOST, api.server.port), timeout=5) for _ in range(waiting)
            ]
            for one in found:
                one.sendall(event_request())
            await api.server.drain(10)
        answers = [one.recv(65_536)[:12] for one in found]
        for one in found:
            one.close()
        return answers

    with asyncio.Runner(loop_factory=new_loop) as loop:
        answers = loop.run(trial())

    served = min(waiting, connections_max)
    assert sorted(answers) == [b"HTTP/1.1 202"] * served + [b"HTTP/1.1 503"] * (waiting - served)


async def test_a_drain_ends_though_clients_keep_coming() -> None:
    """Each turn brings one more: a backlog's worth of turns or the deadline ends the accepting."""
    async with GatewayApi() as api:
        loop, port, over = asyncio.get_running_loop(), api.server.port, asyncio.Event()

        def come() -> None:
            if over.is_set():
                return
            with socket.socket() as one:
                one.setblocking(False)
                one.connect_ex((HOST, port))
            loop.call_soon(come)

        loop.call_soon(come)
        async with asyncio.timeout(10):
            await api.server.drain(0.05)
        over.set()


@pytest.mark.parametrize("is_express", [True, False])
async def test_a_drain_waits_for_the_rest_of_a_body(is_express: bool) -> None:
    """A request that was half read is answered, and is the last on its connection."""
    async with GatewayApi(is_express=is_express) as api, Client(api.server.port) as client:
        request = event_request()
        client.send(request[:-10])
        await client.until(lambda: api.server.connections == 1)
        drain = asyncio.create_task(api.server.drain(5))
        for _ in range(2 * ARRIVAL_TURNS + 2):
            await asyncio.sleep(0)

        client.send(request[-10:])

        assert (await client.answer())[0] == 202
        assert await client.is_closed()
        await drain


async def test_a_drain_does_not_wait_for_a_body_whose_client_went() -> None:
    """Its connection is over."""
    async with GatewayApi() as api:
        async with Client(api.server.port) as client:
            client.send(event_request()[:-10])
            await client.until(lambda: api.server.connections == 1)
            drain = asyncio.create_task(api.server.drain(60))
            for _ in range(2 * ARRIVAL_TURNS + 2):
                await asyncio.sleep(0)

        async with asyncio.timeout(10):
            await drain


class TestHttpServerLife(LifecycleContract):
    """A long-lived thing."""

    @pytest.fixture
    def component(self) -> HttpServer:
        """Give a server of nothing."""
        return server_of(web.Application())

    @pytest.fixture
    def failing(self) -> HttpServer:
        """Give one that cannot bind."""
        return server_of(web.Application(), host="192.0.2.1")
