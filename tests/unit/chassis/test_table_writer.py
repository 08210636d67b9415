"""How a writer gives up; how it writes: tests/integration/chassis."""

import asyncio

import pytest
import structlog

from chassis.clock import SystemClock
from chassis.settings import KafkaSettings
from chassis.table import Table, WriteUnavailable
from chassis.table_writer import TableWriter, Writes, system_jitter

NOBODY = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


def writer(deadline_s: float) -> TableWriter[int]:
    """Return one whose broker is nowhere."""
    table: Table[int] = Table(
        NOBODY,
        topic="t",
        decode=lambda key, value: int(value),
        client_id="test",
        log=structlog.get_logger(),
    )
    return TableWriter(
        NOBODY,
        table,
        transactional_id=lambda partition: f"x-{partition}",
        client_id="test",
        clock=SystemClock(),
        deadline_s=deadline_s,
        jitter=lambda: 0.0,
    )


async def test_without_a_broker_it_is_unavailable_at_the_deadline() -> None:
    """It never decides, and leaves nothing behind."""
    made = writer(deadline_s=0.1)
    decided: list[int] = []

    def decide() -> Writes:
        decided.append(1)
        return []

    with pytest.raises(WriteUnavailable):
        await made.update(0, decide)

    assert decided == []
    await made.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_waits_for_its_turn_too_long_is_unavailable() -> None:
    """The queue of a partition is bounded in time; another partition has its own."""
    made = writer(deadline_s=0.05)
    made._locks[0] = asyncio.Lock()
    await made._locks[0].acquire()

    with pytest.raises(WriteUnavailable, match="others are writing"):
        await made.update(0, list)


def test_jitter_is_a_fraction() -> None:
    """In [0, 1), and not always the same."""
    drawn = {system_jitter() for _ in range(100)}

    assert all(0 <= number < 1 for number in drawn)
    assert len(drawn) > 50
