"""The real sender keeps the contract the deliverer's fake keeps."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from chassis.egress import EgressPolicy
from deliverer.sender.port import PreparedRequest, Sender
from deliverer.sender.sender import HttpSender
from tests.contract.sender import Requests, SenderContract


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    if request.path == "/hanging":
        await asyncio.Event().wait()
    if request.path == "/failing":
        return web.Response(status=500, text="no")
    return web.Response(status=204)


class TestHttpSender(SenderContract):
    """The contract, over loopback."""

    @pytest.fixture
    async def sender(self) -> AsyncIterator[Sender]:
        """Give a sender that may reach loopback."""
        sender = HttpSender(EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.1/32"]))
        yield sender
        await sender.close()

    @pytest.fixture
    async def requests(self) -> AsyncIterator[Requests]:
        """Give a request per path of a listening receiver."""
        app = web.Application()
        app.router.add_post("/{path}", _answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        yield {
            path: PreparedRequest(
                scheme="http",
                host="127.0.0.1",
                port=port,
                target=f"/{path}".encode(),
                head=(
                    f"POST /{path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 2\r\n\r\n"
                ).encode(),
                body=b"{}",
                timeout_s=0.5 if path == "hanging" else 30,
            )
            for path in ("accepting", "failing", "hanging")
        }
        await runner.cleanup()
