"""A bare aiohttp loop: POST the same requests to the same receiver, without any Kafka.

A worker process: one JSON line in, one out. `{"url", "headers", "body", "connections"}` once, then
`{"count"}` for each round. Headers are ready dictionaries; only the webhook id is new per request.
"""

import asyncio
import json
import sys

import aiohttp
import uvloop


async def rounds() -> None:
    """Serve questions from standard input until it ends."""
    loop = asyncio.get_running_loop()
    plan = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    print("{}", flush=True)
    connector = aiohttp.TCPConnector(limit=plan["connections"])
    async with aiohttp.ClientSession(connector=connector) as session:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            count = json.loads(line)["count"]
            started = loop.time()
            numbers = iter(range(count))
            workers = [_work(session, plan, numbers) for _ in range(plan["connections"])]
            await asyncio.gather(*workers)
            print(json.dumps({"wall_s": loop.time() - started}), flush=True)


async def _work(session: aiohttp.ClientSession, plan: dict, numbers) -> None:  # type: ignore[type-arg,no-untyped-def]
    url, headers, body = plan["url"], plan["headers"], plan["body"].encode()
    for number in numbers:
        mine = headers | {"webhook-id": f"msg_{number:026d}"}
        async with session.post(url, data=body, headers=mine) as answer:
            await answer.read()
            if answer.status != 204:
                raise RuntimeError(f"answered {answer.status}")


if __name__ == "__main__":
    uvloop.run(rounds())
