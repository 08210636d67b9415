"""Compare-and-set between writers, against a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from structlog.typing import FilteringBoundLogger

from chassis.clock import SystemClock
from chassis.settings import KafkaSettings
from chassis.table import Table, WriteInDoubt, WriteUnavailable
from chassis.table_writer import TableWriter
from hooklane.embedded_kafka import EmbeddedKafka
from tests.integration.chassis.conftest import MakeTopic, create_topic, settings_for, until

pytestmark = pytest.mark.kafka

DEADLINE_S, SLACK_S = 2.0, 10.0
PATIENT_S = 30.0
"""A busy machine; a claim or a commit by itself once took 5 s here."""


class Counter:
    """A table of numbers and a writer that counts in it."""

    def __init__(
        self, settings: KafkaSettings, topic: str, log: FilteringBoundLogger, **bounds: Any
    ) -> None:
        self.table = Table(
            settings, topic=topic, decode=lambda _, value: int(value), client_id="test", log=log
        )
        self.writer = TableWriter(
            settings,
            self.table,
            transactional_id=lambda partition: f"{topic}-{partition}",
            client_id="test",
            clock=SystemClock(),
            **bounds,
        )
        self.decided = 0

    async def start(self) -> "Counter":
        """Read to the end."""
        await self.table.own([0])
        await self.table.start()
        await until(lambda: self.table.is_caught_up)
        return self

    async def count(self, times: int = 1) -> None:
        """Add one to the number, each time in an update of its own."""
        for _ in range(times):
            await self.writer.update(0, self._one_more)

    @property
    def number(self) -> int:
        """How far it is."""
        return self.table.get(0, b"n") or 0

    def _one_more(self) -> list[tuple[bytes, bytes | None]]:
        self.decided += 1
        return [(b"n", str(self.number + 1).encode())]

    async def stop(self) -> None:
        """End both."""
        await self.writer.stop()
        await self.table.stop()


@pytest.fixture
async def counters(
    settings: KafkaSettings, make_topic: MakeTopic, log: FilteringBoundLogger
) -> AsyncIterator[Callable[[], Counter]]:
    """Give a factory of counters over one topic."""
    topic = await make_topic(cleanup_policy="compact")
    made: list[Counter] = []

    def make() -> Counter:
        made.append(Counter(settings, topic, log, deadline_s=PATIENT_S))
        return made[-1]

    yield make
    for counter in made:
        await counter.stop()


async def test_a_write_is_read_back_before_the_answer(
    counters: Callable[[], Counter],
) -> None:
    """Who gets the answer finds its value, and one claim serves all writes of one writer."""
    counter = await counters().start()

    for expected in range(1, 11):
        await counter.count()
        assert counter.table.get(0, b"n") == expected

    assert counter.decided == 10


async def test_two_writers_lose_no_update(counters: Callable[[], Counter]) -> None:
    """Both make progress, and the sum is exact."""
    first, second = await counters().start(), await counters().start()

    await asyncio.gather(first.count(10), second.count(10), first.count(10), second.count(10))

    await until(lambda: first.table.get(0, b"n") == second.table.get(0, b"n") == 40)
    assert first.decided + second.decided > 40


async def test_a_refusing_decision_writes_nothing(counters: Callable[[], Counter]) -> None:
    """What decide raises reaches the caller; an empty answer is no write."""
    counter = await counters().start()

    def refuse() -> list[tuple[bytes, bytes | None]]:
        raise KeyError("no such subscription")

    with pytest.raises(KeyError):
        await counter.writer.update(0, refuse)
    await counter.writer.update(0, list)

    assert await counter.table.end_offset(0) == 0
    await counter.count()
    assert counter.table.get(0, b"n") == 1


async def test_several_records_are_one_write(counters: Callable[[], Counter]) -> None:
    """A value and a tombstone of one decision come together."""
    counter = await counters().start()
    await counter.writer.update(0, lambda: [(b"a", b"1"), (b"b", b"2")])

    await counter.writer.update(0, lambda: [(b"a", None), (b"b", b"3")])

    assert dict(counter.table.items(0)) == {b"b": 3}


async def test_a_frozen_broker_is_unavailable_and_later_all_is_well(
    own_kafka: Callable[..., EmbeddedKafka], log: FilteringBoundLogger, prefix: str
) -> None:
    """The write ends at its deadline, in doubt; the next one decides on what really stands."""
    node = await asyncio.to_thread(own_kafka)
    settings = settings_for(node.bootstrap_servers)
    topic = await create_topic(settings, f"{prefix}.registry", cleanup_policy="compact")
    counter = await Counter(settings, topic, log, deadline_s=DEADLINE_S).start()
    await until_counted(counter)
    before = counter.number
    node.pause()
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(WriteUnavailable) as unwritten:
        await counter.count()

    assert not isinstance(unwritten.value, WriteInDoubt)
    assert loop.time() - began < DEADLINE_S + SLACK_S
    node.resume()
    doubts = await until_counted(counter)
    assert before < counter.number <= before + 1 + doubts
    before = counter.number

    def freeze_and_count() -> list[tuple[bytes, bytes | None]]:
        node.pause()
        return [(b"n", str(before + 1).encode())]

    began = loop.time()
    with pytest.raises(WriteInDoubt):
        await counter.writer.update(0, freeze_and_count)
    assert loop.time() - began < DEADLINE_S + SLACK_S
    node.resume()
    doubts = await until_counted(counter)
    assert before < counter.number <= before + 2 + doubts
    await counter.stop()


async def until_counted(counter: Counter) -> int:
    """Count once more, for as long as the broker needs to wake up; return how many are in doubt."""
    doubts = 0
    async with asyncio.timeout(60):
        while True:
            try:
                await counter.count()
            except WriteInDoubt:
                doubts += 1
            except WriteUnavailable:
                continue
            else:
                return doubts
