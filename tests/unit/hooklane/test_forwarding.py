"""Passing deliveries on, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from hooklane.exits import INVALID, CommandFailed
from hooklane.forwarding import BAD_GATEWAY, GATEWAY_TIMEOUT, forwarding
from hooklane.receiver import Arrival

HEADERS = {
    "host": "outside:1", "content-length": "999", "connection": "keep-alive",
    "webhook-id": "msg_1", "webhook-signature": "v1,x", "content-type": "application/json",
}  # fmt: skip


@asynccontextmanager
async def program(answer: web.Response) -> AsyncIterator[tuple[str, list[tuple[dict, bytes]]]]:  # type: ignore[type-arg] # header names to values
    """Serve a program that answers so; gives its URL and what it got."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        got.append((headers, await request.read()))
        return answer

    app = web.Application()
    app.router.add_route("*", "/hooks", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks", got
    finally:
        await runner.cleanup()


async def test_the_very_bytes_and_headers_are_passed_on() -> None:
    """But for those of the connection; so the program can verify the signature itself."""
    async with program(web.Response(status=200)) as (url, got), forwarding(url) as forwarder:
        reply = await forwarder.forward(Arrival(HEADERS, b'{"a":1} ', None))

    ((headers, body),) = got
    assert (reply.status, reply.note) == (200, "")
    assert body == b'{"a":1} '
    assert (headers["webhook-id"], headers["webhook-signature"]) == ("msg_1", "v1,x")
    assert headers["content-length"] == "8"
    assert headers["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize("status", [302, 410, 429, 503])
async def test_an_answer_goes_back_with_what_it_asks_for(status: int) -> None:
    """A redirect too is an answer, not a place to go to."""
    fields = {
        "Retry-After": "7", "webhook-delivery": "disable", "X-Other": "x", "Location": "/hooks"
    }  # fmt: skip
    answer = web.Response(status=status, headers=fields)
    async with program(answer) as (url, got), forwarding(url) as forwarder:
        reply = await forwarder.forward(Arrival(HEADERS, b"", None))

    assert (reply.status, len(got)) == (status, 1)
    assert reply.headers == {"retry-after": "7", "webhook-delivery": "disable"}


async def test_nobody_there_is_a_502() -> None:
    """The gateway tries again, and the one who looks on sees why."""
    async with forwarding("http://127.0.0.1:1/") as forwarder:
        reply = await forwarder.forward(Arrival(HEADERS, b"", None))

    assert reply.status == BAD_GATEWAY
    assert "127.0.0.1:1" in reply.note


async def test_no_answer_in_time_is_a_504() -> None:
    """Every wait ends."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _r, w: writers.append(w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async with forwarding(f"http://127.0.0.1:{port}/", timeout_s=0.1) as forwarder:
        reply = await forwarder.forward(Arrival(HEADERS, b"", None))
    for writer in writers:
        writer.close()
    server.close()

    assert (reply.status, reply.note) == (GATEWAY_TIMEOUT, "no answer within 0.1 s")


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://a/", "http://"])
async def test_what_is_no_url_is_told_before_anything_is_made(url: str) -> None:
    """With an example of one."""
    with pytest.raises(CommandFailed, match="--forward-to is not like") as caught:
        async with forwarding(url):
            pass

    assert caught.value.code == INVALID
