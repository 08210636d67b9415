"""A bare aiohttp handler: read the body, answer 202 with a small JSON text. Its own process."""

import asyncio
import sys

import uvloop
from aiohttp import web

ANSWER = (
    b'{"id":"evt_00000000000000000000000000","webhook_id":"msg_00000000000000000000000000",'
    b'"subscriber":"bench-0","partition":0,"offset":0}'
)


async def handle(request: web.Request) -> web.Response:
    """Take a body."""
    await request.read()
    return web.Response(body=ANSWER, status=202, content_type="application/json")


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/events", handle)
    app.router.add_post("/v1/events/batch", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
