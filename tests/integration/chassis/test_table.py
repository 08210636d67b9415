"""A compacted topic as a table, against a real broker."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from structlog.typing import FilteringBoundLogger

from chassis import kafka
from chassis.kafka import KafkaUnavailable, Record
from chassis.settings import KafkaSettings
from chassis.table import Table
from tests.integration.chassis.conftest import (
    Commit,
    MakeTopic,
    settings_for,
    tick_producer,
    until,
)

pytestmark = pytest.mark.kafka


def decode(key: bytes, value: bytes) -> int:
    """Read a number."""
    return int(value)


@pytest.fixture
def make_table(settings: KafkaSettings, log: FilteringBoundLogger) -> Callable[..., Table[int]]:
    """Give a factory of tables of numbers."""

    def make(topic: str, **options: object) -> Table[int]:
        return Table(
            settings,
            topic=topic,
            decode=decode,
            client_id="test",
            log=log,
            **options,  # type: ignore[arg-type]  # passed through
        )

    return make


async def test_it_reaches_the_end_over_markers_tombstones_and_aborted_records(
    settings: KafkaSettings,
    make_topic: MakeTopic,
    commit: Commit,
    make_table: Callable[..., Table[int]],
    prefix: str,
) -> None:
    """What lies at the end of the log is no record; it is caught up all the same."""
    topic = await make_topic(cleanup_policy="compact")
    await commit([Record(topic, 0, b"a", b"1"), Record(topic, 0, b"b", b"2")])
    await commit([Record(topic, 0, b"b", None)])
    aborted = tick_producer(settings, f"{prefix}-aborted")
    await aborted.claim()
    inner: Any = aborted._producer
    await inner.begin_transaction()
    await kafka.produce(inner, [Record(topic, 0, b"a", b"99")])
    await inner.abort_transaction()
    await aborted.retire()
    changes: list[tuple[int, bytes, int | None]] = []
    table = make_table(topic, on_change=lambda *change: changes.append(change))

    await table.own([0])
    assert not table.is_caught_up
    await table.start()
    await until(lambda: table.is_caught_up)

    assert dict(table.items(0)) == {b"a": 1}
    assert table.get(0, b"b") is None
    assert table.records == 1
    assert changes == [(0, b"a", 1), (0, b"b", 2), (0, b"b", None)]
    assert table.position(0) == await table.end_offset(0)
    assert (table.appended_at(0, b"a") or 0) > 1_600_000_000_000
    await until(lambda: table.lag_s(0) < 5)
    await table.stop()
    await table.stop()


async def test_a_broken_record_keeps_the_last_good_one(
    make_topic: MakeTopic, commit: Commit, make_table: Callable[..., Table[int]]
) -> None:
    """It is counted and alarmed with its place, and what follows is read."""
    topic = await make_topic()
    await commit([Record(topic, 0, b"a", b"1")])
    await commit([Record(topic, 0, b"a", b"not a number"), Record(topic, 0, None, b"3")])
    await commit([Record(topic, 0, b"b", b"2")])
    broken: list[bool] = []
    with structlog.testing.capture_logs() as lines:
        table = make_table(topic, on_broken=lambda: broken.append(True))
        await table.own([0])
        await table.start()
        await until(lambda: table.is_caught_up)
        await table.stop()

    assert dict(table.items(0)) == {b"a": 1, b"b": 2}
    assert len(broken) == 2
    alarms = [line for line in lines if line["event"] == "table.record_broken"]
    assert [(alarm["log_level"], alarm["offset"]) for alarm in alarms] == [
        ("error", 2),
        ("error", 3),
    ]


async def test_owning_other_partitions_keeps_what_stays(
    make_topic: MakeTopic, commit: Commit, make_table: Callable[..., Table[int]]
) -> None:
    """A kept partition is not read again, a dropped one is forgotten, a new one begins."""
    topic = await make_topic(partitions=3)
    await commit([Record(topic, p, b"k", str(p).encode()) for p in range(3)])
    changes: list[tuple[int, bytes, int | None]] = []
    table = make_table(topic, on_change=lambda *change: changes.append(change))
    await table.own([0, 1])
    await table.start()
    await until(lambda: table.is_caught_up)

    await table.own([1, 2])
    await until(lambda: table.is_caught_up)
    await commit([Record(topic, 1, b"k", b"11")])
    assert await table.wait_for(1, await table.end_offset(1), timeout_s=30)

    assert table.get(0, b"k") is None
    assert (table.get(1, b"k"), table.get(2, b"k")) == (11, 2)
    assert sorted(changes) == [(0, b"k", 0), (1, b"k", 1), (1, b"k", 11), (2, b"k", 2)]
    await table.stop()


async def test_waiting_has_an_end(
    make_topic: MakeTopic, make_table: Callable[..., Table[int]]
) -> None:
    """A position that never comes is False at the timeout."""
    topic = await make_topic()
    table = make_table(topic)
    await table.own([0])
    await table.start()

    assert await table.wait_for(0, 0, timeout_s=0)
    assert not await table.wait_for(0, 5, timeout_s=0.2)

    await table.stop()


async def test_owning_nothing_is_caught_up(
    make_topic: MakeTopic, commit: Commit, make_table: Callable[..., Table[int]]
) -> None:
    """A member without partitions is ready; it may get some later, and lose them again."""
    topic = await make_topic()
    await commit([Record(topic, 0, b"k", b"1")])
    table = make_table(topic)
    await table.start()
    assert table.is_caught_up

    await table.own([0])
    await until(lambda: table.get(0, b"k") == 1)
    await table.own([])
    assert table.get(0, b"k") is None
    await table.own([0])
    await until(lambda: table.get(0, b"k") == 1)

    await table.stop()


async def test_no_broker_no_end_offset(log: FilteringBoundLogger) -> None:
    """The question is bounded and its failure is the chassis' own."""
    table = Table(settings_for("127.0.0.1:1"), topic="t", decode=decode, client_id="test", log=log)

    with pytest.raises(KafkaUnavailable):
        await table.end_offset(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}
