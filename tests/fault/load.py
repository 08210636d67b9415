"""A publisher that keeps going through faults and remembers what it was told."""

import asyncio
from dataclasses import dataclass, field

import aiohttp

from tests.e2e.stack import Stack

SUBSCRIBERS = ("acme", "beta", "gamma", "delta")
ANSWER_S_MAX = 8.0
"""The gateway answers within its deadline of 5 s; the rest is a machine that is busy."""


@dataclass
class Load:
    """Publish events one after the other per subscriber; the id repeats until it got its 202."""

    stack: Stack
    accepted: dict[str, list[str]] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    is_ending: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Begin publishing for every subscriber."""
        self._tasks = [asyncio.create_task(self._publish(name)) for name in SUBSCRIBERS]

    async def finish(self) -> None:
        """Publish what is under way until it was accepted, then stop."""
        self.is_ending = True
        await asyncio.gather(*self._tasks)

    @property
    def count(self) -> int:
        """How many events got their 202."""
        return sum(len(ids) for ids in self.accepted.values())

    async def _publish(self, subscriber: str) -> None:
        number = 0
        while not self.is_ending:
            event = {"subscriber": subscriber, "type": "order.paid", "id": f"{subscriber}-{number}"}
            webhook_id = await self._until_accepted({**event, "data": number})
            self.accepted.setdefault(subscriber, []).append(webhook_id)
            number += 1

    async def _until_accepted(self, event: dict[str, object]) -> str:
        clock = asyncio.get_running_loop()
        while True:
            began = clock.time()
            try:
                status, body = await self.stack.api("POST", "/v1/events", json=event)
            except (aiohttp.ClientError, TimeoutError):
                status, body = 0, {}
            self.slowest_s = max(self.slowest_s, clock.time() - began)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == 202:
                return str(body["webhook_id"])
            await asyncio.wait_for(asyncio.shield(_pause(0.2)), 5)


async def _pause(seconds: float) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()


async def pass_time(seconds: float) -> None:
    """Let a fault last: its length is what the test is about, nothing is awaited by it."""
    await _pause(seconds)
