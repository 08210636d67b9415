"""Order and repeats when processes die, freeze and come back, and when the broker restarts."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hooklane.embedded_kafka import EmbeddedKafka
from schemas.topics import partition_of
from tests.e2e.order import Run, Window, read_dead, read_deliveries
from tests.e2e.receiver import HANG_UP, Delivery, Receiver
from tests.e2e.stack import Stack, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

SUBSCRIBERS = ("acme", "kappa", "delta", "rho")
SCHEDULE_S = [0.2, 0.2]
SESSION_S = 12.0
FROZEN_S = SESSION_S + 2
TICK_S_MAX = 2.0
"""How long before a crash an answer may have been given that no tick carried yet."""


def _flapping(delivery: Delivery) -> int:
    """Fail by number of event and attempt: every fifth at first, every eleventh for ever."""
    number = int(delivery.body)
    if number % 11 == 7:
        return 500
    if number % 5 == 2 and delivery.attempt == 1:
        return HANG_UP if number % 2 else 500
    return 204


@dataclass
class Load:
    """Publishes to all subscribers for as long as a fault lasts."""

    stack: Stack
    receiver: Receiver
    subscription_at: dict[str, str] = field(default_factory=dict)
    strict: set[str] = field(default_factory=set)
    accepted: int = 0

    async def subscribe(self) -> None:
        """Give each subscriber a strict subscription and one without order."""
        for subscriber in SUBSCRIBERS:
            for ordering in ("strict", "none"):
                path = f"{subscriber}-{ordering}"
                self.receiver.answers[path] = _flapping
                made = await self.stack.subscribe(
                    subscriber,
                    self.receiver.url(path),
                    ordering=ordering,
                    retry={"schedule_s": SCHEDULE_S},
                )
                self.subscription_at[path] = made["id"]
                if ordering == "strict":
                    self.strict.add(made["id"])

    async def publish(self, count: int) -> None:
        """Publish so many events in one batch, a third with one of three ordering keys."""
        items = []
        for number in range(self.accepted, self.accepted + count):
            subscriber = SUBSCRIBERS[number % len(SUBSCRIBERS)]
            item = {"subscriber": subscriber, "type": "order.paid", "data": number // 4}
            keyed = {"ordering_key": f"k{number % 9 // 3}"} if number % 3 == 0 else {}
            items.append(item | keyed)
        status, body = await self.stack.api("POST", "/v1/events/batch", json=items)
        assert status == 202, body
        assert {item["status"] for item in body["items"]} == {202}
        self.accepted += count

    async def publish_until(self, done: asyncio.Event) -> None:
        """Publish a little at a time until told to stop."""
        while not done.is_set():
            await self.publish(4)
            try:
                async with asyncio.timeout(0.25):
                    await done.wait()
            except TimeoutError:
                continue

    async def settle(self, *, within_s: float) -> Run:
        """Wait until every delivery is delivered or given up; gather what the run left behind."""

        async def gather() -> Run:
            return Run(
                await read_deliveries(self.stack),
                [key for key, _ in await read_dead(self.stack)],
                self.receiver.received,
                subscription_at=self.subscription_at,
            )

        async def is_settled() -> bool:
            run = await gather()
            return len(run.log) >= 2 * self.accepted and not run.lost()

        await eventually(is_settled, within_s=within_s, what="all final", every_s=0.5)
        return await gather()

    def judge(self, run: Run, *, faults: list[Window]) -> None:
        """Demand everything that CONTRACT §6 promises of such a run."""
        strict = {one.lane for one in run.log if one.subscription in self.strict}
        assert len(run.log) == 2 * self.accepted
        assert run.doubled() == []
        assert run.invented() == []
        assert run.lost() == []
        assert len(strict) > len(SUBSCRIBERS)
        assert run.overtakings(lanes=strict) == []
        assert run.early(SCHEDULE_S) == []
        assert run.unexcused(faults) == []


@dataclass
class Fault:
    """Notes on the receiver's clock how long a fault lasted."""

    windows: list[Window] = field(default_factory=list)
    _began: float = 0.0

    def begin(self) -> None:
        """Note that it begins; what no tick has carried yet counts too."""
        self._began = asyncio.get_running_loop().time() - TICK_S_MAX

    def end(self) -> None:
        """Note that it is over."""
        now = asyncio.get_running_loop().time()
        self.windows.append(Window(self._began, now + TICK_S_MAX))


def test_the_subscribers_fill_all_partitions() -> None:
    """Both deliverers own something, so every fault below strikes lanes."""
    assert {partition_of(name.encode(), 4) for name in SUBSCRIBERS} == {0, 1, 2, 3}


async def test_one_deliverer_killed_and_the_other_frozen(stack: Stack, receiver: Receiver) -> None:
    """Kill -9 of one, SIGSTOP of the other past its session, a third takes over, SIGCONT."""
    _, _, killed = await stack.start()
    (frozen,) = await stack.start("deliverer")
    load, fault, done = Load(stack, receiver), Fault(), asyncio.Event()
    await load.subscribe()
    await load.publish(120)
    publishing = asyncio.create_task(load.publish_until(done))
    await receiver.until(lambda: len(receiver.received) >= 60, within_s=30)

    fault.begin()
    killed.signal(signal.SIGKILL)
    frozen.signal(signal.SIGSTOP)
    fault.end()
    session = _past(FROZEN_S)
    (third,) = await stack.start("deliverer")
    before = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= before + 20, within_s=40)
    await eventually(session, within_s=2 * FROZEN_S, what="its session is over")
    fault.begin()
    frozen.signal(signal.SIGCONT)
    await stack.ready(frozen, third)
    fault.end()
    done.set()
    await publishing
    await load.publish(40)
    run = await load.settle(within_s=90)

    load.judge(run, faults=fault.windows)
    assert frozen.process.returncode is None


async def test_a_broker_restart_moves_nothing(
    broker_stack: tuple[Stack, EmbeddedKafka], receiver: Receiver
) -> None:
    """The only broker is killed and started again: the same owners go on, in order."""
    stack, node = broker_stack
    _, _, first = await stack.start()
    (second,) = await stack.start("deliverer")
    load, fault = Load(stack, receiver), Fault()
    await load.subscribe()
    await load.publish(100)

    fault.begin()
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start)
    await eventually(lambda: _accepts(stack), within_s=40, what="the gateway accepts again")
    await load.publish(60)
    await stack.ready(first, second)
    fault.end()
    run = await load.settle(within_s=60)

    run.log = [one for one in run.log if one.subscription in load.subscription_at.values()]
    load.judge(run, faults=fault.windows)
    assert first.process.returncode is second.process.returncode is None


async def _accepts(stack: Stack) -> bool:
    event = {"subscriber": "nobody", "type": "probe", "data": 0}
    status, _ = await stack.api("POST", "/v1/events", json=event)
    return status == 202


def _past(seconds: float) -> Callable[[], Awaitable[bool]]:
    """Ask whether so much real time has passed: a session expires by nothing else."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def is_past() -> bool:
        return loop.time() >= end

    return is_past


@pytest.fixture
async def broker_stack(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str, tmp_path: Path
) -> AsyncIterator[tuple[Stack, EmbeddedKafka]]:
    """Give a stack on a node of its own, which the test may kill."""
    node = await asyncio.to_thread(own_kafka)
    made = Stack(node.bootstrap_servers, prefix, tmp_path)
    await made.topics()
    yield made, node
    await made.stop()
