"""The deliverer's own sender, alone in its process, so that its CPU time is nothing else's.

One JSON line in, one out: `{"ports": [[PORT, TIMEOUT_S], …], "count": N}` sends N requests to these
in turn; the answer has the CPU seconds of this process and how many ended in which way.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice

import uvloop

from chassis.egress import EgressPolicy
from deliverer.sender.port import PreparedRequest
from deliverer.sender.sender import HttpSender
from tests.fakes.sender import sent

AT_ONCE = 100
BODY = b'{"order": 4711, "amount": 4200, "currency": "EUR"}'
HEAD = b"POST /hooks HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-length: %d\r\nwebhook-id: w\r\n\r\n"


def prepared(port: int, timeout_s: float) -> PreparedRequest:
    """Prepare one request."""
    return PreparedRequest(
        scheme="http",
        host="127.0.0.1",
        port=port,
        target=b"/hooks",
        head=HEAD % (port, len(BODY)),
        body=BODY,
        timeout_s=timeout_s,
    )


async def measure(
    sender: HttpSender, ports: list[tuple[int, float]], count: int
) -> dict[str, object]:
    """Send `count` requests, `AT_ONCE` at a time."""
    outcomes: Counter[str] = Counter()

    async def drain(supply: Iterator[tuple[int, float]]) -> None:
        for port, timeout_s in supply:
            outcomes[(await sent(sender, prepared(port, timeout_s))).outcome] += 1

    supply = islice(cycle(ports), count)
    began_s = time.process_time()
    await asyncio.gather(*(drain(supply) for _ in range(AT_ONCE)))
    return {"cpu_s": time.process_time() - began_s, "outcomes": outcomes}


async def work() -> None:
    """Answer questions until the input ends."""
    sender = HttpSender(EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"]))
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        asked = json.loads(line)
        print(json.dumps(await measure(sender, asked["ports"], asked["count"])), flush=True)
    await sender.close()


if __name__ == "__main__":
    uvloop.run(work())
