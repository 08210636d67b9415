"""Disabling a subscription whose receiver asked for it (R4)."""

import asyncio
import json
from collections.abc import Callable, Sequence

from chassis.table_writer import WriteUnavailable
from deliverer.disabling import Disabler, disabled
from deliverer.endpoints import RegistryEntry
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import registry_entry, silent_log

NOW = 1_700_000_000_000


class FakeTable:
    """One subscription, and a writer that fails as told."""

    def __init__(self, **fields: object) -> None:
        self.key, self.entry = registry_entry("sub_a", **fields)
        self.written: list[tuple[bytes, bytes | None]] = []
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.disabler = Disabler(self, self, clock=ManualClock(), log=silent_log()[0])

    def get(self, partition: int, key: bytes) -> RegistryEntry | None:
        """Return the subscription."""
        return self.entry if key == self.key else None

    async def update(
        self, partition: int, decide: Callable[[], Sequence[tuple[bytes, bytes | None]]]
    ) -> None:
        """Write, or fail as told."""
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise WriteUnavailable("others are writing")
        self.written += decide()


def test_the_next_version_is_disabled_and_drops_what_waits() -> None:
    """R2: the lane epoch grows and everything below it is dropped."""
    _, entry = registry_entry("sub_a", version=4, lane_epoch=2, orderings={"1": "none"})

    document = json.loads(disabled(entry, reason="gone", now_ms=NOW) or b"")

    assert (document["version"], document["status"], document["status_reason"]) == (
        5, "disabled", "gone",
    )  # fmt: skip
    assert (document["lane_epoch"], document["drop_before"]) == (3, 3)
    assert document["updated_at"] == "2023-11-14T22:13:20.000Z"


def test_fields_of_a_later_version_survive() -> None:
    """A writer edits the object it read; it never encodes what it understands of it."""
    _, entry = registry_entry("sub_a", later={"a": [1, 2.5]})

    document = json.loads(disabled(entry, reason="gone", now_ms=NOW) or b"")

    assert document["later"] == {"a": [1, 2.5]}
    assert document["sealed"]


def test_what_is_disabled_or_gone_needs_no_write() -> None:
    """A repeat after a crash finds the work done."""
    for fields in ({"status": "disabled"}, {"deleted": True}):
        assert disabled(registry_entry("sub_a", **fields)[1], reason="gone", now_ms=NOW) is None
    assert disabled(RegistryEntry(b""), reason="gone", now_ms=NOW) is None


async def test_it_writes_until_it_succeeds() -> None:
    """Lost races and silent brokers are tried again."""
    table = FakeTable()
    table.failures = 1

    table.disabler.disable(0, table.key, reason="gone")
    await table.disabler.finish(5)

    ((key, value),) = table.written
    assert key == table.key
    assert value is not None
    assert json.loads(value)["status"] == "disabled"


async def test_repeats_join_the_write_under_way() -> None:
    """Many deliveries may meet the same answer."""
    table = FakeTable()

    table.disabler.disable(0, table.key, reason="gone")
    table.disabler.disable(0, table.key, reason="receiver")
    await table.disabler.finish(5)

    assert len(table.written) == 1


async def test_an_unknown_subscription_needs_no_write() -> None:
    """It was deleted in the meantime."""
    table = FakeTable()

    table.disabler.disable(0, b"acme/subscription/other", reason="gone")
    await table.disabler.finish(5)

    assert table.written == []


async def test_a_partition_that_moved_away_is_the_next_owners() -> None:
    """Its writes end, those of others go on."""
    table = FakeTable()
    table.gate.clear()
    table.disabler.disable(0, table.key, reason="gone")
    table.disabler.disable(1, table.key, reason="gone")
    await asyncio.sleep(0)

    await table.disabler.forget(0)
    table.gate.set()
    await table.disabler.finish(5)

    assert len(table.written) == 1


async def test_stop_leaves_no_task() -> None:
    """Also while a write hangs."""
    table = FakeTable()
    table.gate.clear()
    table.disabler.disable(0, table.key, reason="gone")
    await asyncio.sleep(0)

    await table.disabler.finish(0.001)
    await table.disabler.stop()

    assert table.written == []
