"""The registry per partition."""

from collections.abc import Collection, Iterable

import pytest

from chassis.kafka import KafkaUnavailable
from chassis.vault import Vault
from deliverer.endpoints import OpenedCache, RegistryEntry
from deliverer.registry import Registry
from tests.fakes.deliverer import KEYS, registry_entry, silent_log


class FakeTable:
    """A table that is at its end, or not."""

    def __init__(self, *, is_reached: bool = True) -> None:
        self.owned: set[int] = set()
        self.is_reached = is_reached
        self.waited: list[tuple[int, int]] = []

    async def own(self, partitions: Collection[int]) -> None:
        """Note them."""
        self.owned = set(partitions)

    async def end_offset(self, partition: int) -> int:
        """Return an end."""
        assert partition in self.owned, "the end is asked of what is read"
        return 17

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Be there, or not."""
        self.waited.append((partition, position))
        return self.is_reached

    def items(self, partition: int) -> Iterable[tuple[bytes, RegistryEntry]]:
        """Return one subscription."""
        return [registry_entry("sub_a")]

    def position(self, partition: int) -> int:
        """Return a position."""
        return 17

    def lag_s(self, partition: int | None = None) -> float:
        """Return a silence."""
        return 0.5


def registry(table: FakeTable) -> Registry:
    """Return a registry over a table."""
    return Registry(table, Vault(KEYS), opened=OpenedCache(), log=silent_log()[0])


async def test_a_takeover_sees_everything_below_the_end_it_asked_for() -> None:
    """Also what the table had read before, when nobody listened."""
    table = FakeTable()

    view = await registry(table).take_over(3)

    assert table.waited == [(3, 17)]
    assert view.policy("sub_a") is not None


async def test_a_table_that_does_not_arrive_fails_the_takeover() -> None:
    """To go on would take unknown subscriptions for deleted ones."""
    with pytest.raises(KafkaUnavailable):
        await registry(FakeTable(is_reached=False)).take_over(3)


async def test_partitions_come_and_go_one_by_one() -> None:
    """Each change names all that stay; to disown twice is harmless."""
    table = FakeTable()
    found = registry(table)

    await found.take_over(1)
    await found.take_over(2)
    await found.disown(1)
    await found.disown(1)

    assert table.owned == {2}


async def test_changes_reach_the_view_of_their_partition() -> None:
    """Others, and those of partitions that moved away, are dropped."""
    found = registry(FakeTable())
    view = await found.take_over(1)
    key, entry = registry_entry("sub_b")

    found.changed(2, key, entry)
    assert view.policy("sub_b") is None

    found.changed(1, key, entry)
    assert view.policy("sub_b") is not None

    await found.disown(1)
    found.changed(1, key, None)
    assert view.policy("sub_b") is not None


async def test_position_and_silence_are_the_tables() -> None:
    """They are asked per partition."""
    found = registry(FakeTable())

    assert found.position(1) == 17
    assert found.silence_s(1) == 0.5
    assert await found.wait_for(1, 5, timeout_s=1)
