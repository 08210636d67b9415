"""A publisher that keeps going through faults and remembers what it was told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack

SUBSCRIBERS = ("acme", "beta", "gamma", "delta")
ANSWER_S_MAX = 8.0
"""The gateway answers within its deadline of 5 s; the rest is a machine that is busy."""
ACCEPTED, NO_ANSWER = 202, 0


@dataclass(frozen=True)
class Answer:
    """One answer of the gateway, on the clock of the event loop."""

    began_s: float
    ended_s: float
    status: int

    @property
    def took_s(self) -> float:
        """How long it was waited for."""
        return self.ended_s - self.began_s


@dataclass
class Load:
    """Publish events one after the other per subscriber; the id repeats until it got its 202.

    With `batch` above 1 each request carries so many events, each with an answer of its own. With a
    receiver it keeps so many events ahead of it: enough for a full load, and no more to wait for.
    """

    stack: Stack
    batch: int = 1
    receiver: Receiver | None = None
    ahead_max: int = 800
    accepted: dict[str, list[str]] = field(default_factory=dict)
    accepted_at: dict[str, float] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
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

    @property
    def slowest_s(self) -> float:
        """The longest wait for an answer, whatever it was."""
        return max((answer.took_s for answer in self.answers), default=0.0)

    def statuses(self, *, since_s: float = 0.0, until_s: float = float("inf")) -> Counter[int]:
        """Count the answers to what was asked in a span of time."""
        return Counter(
            a.status for a in self.answers if since_s <= a.began_s and a.ended_s < until_s
        )

    async def _publish(self, subscriber: str) -> None:
        number = 0
        while not self.is_ending:
            numbers = range(number, number + self.batch)
            number += self.batch
            events = [
                {
                    "subscriber": subscriber,
                    "type": "order.paid",
                    "id": f"{subscriber}-{n}",
                    "data": n,
                }
                for n in numbers
            ]
            while self._is_far_ahead() and not self.is_ending:
                await pass_time(0.1)
            while events:  # in order: what follows a refused event is sent again behind it
                ids = await self._ask(events)
                self.accepted.setdefault(subscriber, []).extend(ids)
                self.accepted_at |= dict.fromkeys(ids, now_s())
                events = events[len(ids) :]
                if events:
                    await pass_time(0.2)

    def _is_far_ahead(self) -> bool:
        receiver = self.receiver
        return receiver is not None and self.count - len(receiver.received) > self.ahead_max

    async def _ask(self, events: Sequence[dict[str, object]]) -> list[str]:
        """Publish events; give the ids of those that were accepted before the first refusal."""
        began_s = now_s()
        try:
            if self.batch == 1:
                status, body = await self.stack.api("POST", "/v1/events", json=events[0])
                items = [{"status": status, **body}] if status == ACCEPTED else []
            else:
                status, body = await self.stack.api("POST", "/v1/events/batch", json=events)
                items = body["items"] if status == ACCEPTED else []
        except (aiohttp.ClientError, TimeoutError):
            status, items = NO_ANSWER, []
        refused = [item["status"] for item in items if item["status"] != ACCEPTED]
        self.answers.append(Answer(began_s, now_s(), next(iter(refused), status)))
        accepted = []
        for item in items:
            if item["status"] != ACCEPTED:
                break
            accepted.append(str(item["webhook_id"]))
        return accepted


@dataclass(frozen=True)
class Recovery:
    """How long after the end of a fault the first new event was accepted and had arrived."""

    accepted_s: float
    arrived_s: float


async def recovery(load: Load, receiver: Receiver, *, since_s: float, within_s: float) -> Recovery:
    """Wait until every subscriber has got an event that was accepted after a moment."""

    def firsts() -> list[tuple[float, float]]:
        found = []
        for name in SUBSCRIBERS:
            for delivery in receiver.at(name):
                accepted_s = load.accepted_at.get(delivery.webhook_id, 0.0)
                if accepted_s > since_s and delivery.is_accepted:
                    found.append((accepted_s - since_s, delivery.arrived_s - since_s))
                    break
        return found

    await receiver.until(lambda: len(firsts()) == len(SUBSCRIBERS), within_s=within_s)
    accepted, arrived = zip(*firsts(), strict=True)
    return Recovery(max(accepted), max(arrived))


def now_s() -> float:
    """Read the clock that answers and arrivals are noted by."""
    return asyncio.get_running_loop().time()


async def pass_time(seconds: float) -> None:
    """Let a fault last: its length is what the test is about, nothing is awaited by it."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()
