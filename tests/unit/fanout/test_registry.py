"""Tests of the registry as fan-out reads it."""

from collections.abc import Collection

import pytest

from chassis.kafka import KafkaUnavailable
from fanout.registry import Registry
from schemas.registry import SubscriptionRecord, registry_key
from tests.unit.fanout.events import subscription

KEY = registry_key("acme", "subscription", "sub_1")


class FakeTable:
    """Hands its records over when a partition is owned."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.owned: set[int] = set()
        self.content: dict[bytes, SubscriptionRecord] = {KEY: subscription(enabled_at=None)}
        self.end, self.at = 5, 5

    async def own(self, partitions: Collection[int]) -> None:
        """Hand over what is new."""
        new = set(partitions) - self.owned
        self.owned = set(partitions)
        for partition in new:
            for key, record in self.content.items():
                self._registry.changed(partition, key, record)

    async def end_offset(self, partition: int) -> int:
        """Return the end."""
        return self.end

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Answer at once."""
        return self.at >= position

    def appended_at(self, partition: int, key: bytes) -> int | None:
        """Return a fixed time."""
        return 42

    def position(self, partition: int) -> int:
        """Return how far it is."""
        return self.at


@pytest.fixture
def registry() -> Registry:
    """Give a registry over a fake table."""
    registry = Registry()
    registry.attach(FakeTable(registry))
    return registry


def _table(registry: Registry) -> FakeTable:
    assert isinstance(registry.table, FakeTable)
    return registry.table


async def test_a_takeover_gives_a_directory_that_is_full(registry: Registry) -> None:
    """And later changes reach the same directory."""
    directory = await registry.take_over(3)

    assert directory.index_of("acme").match("a")[0].enabled_at == 42
    registry.changed(3, KEY, None)
    assert directory.index_of("acme").match("a") == ()


async def test_a_second_takeover_reads_again_from_the_start(registry: Registry) -> None:
    """A directory of an earlier life may have missed changes."""
    first = await registry.take_over(3)
    registry.changed(3, KEY, None)

    second = await registry.take_over(3)

    assert first.index_of("acme").match("a") == ()
    assert len(second.index_of("acme").match("a")) == 1


async def test_partitions_come_and_go_alone(registry: Registry) -> None:
    """Disowning one leaves the others; twice is harmless; later changes are ignored."""
    await registry.take_over(3)
    await registry.take_over(4)

    await registry.disown(3)
    await registry.disown(3)
    registry.changed(3, KEY, None)

    assert _table(registry).owned == {4}


async def test_a_registry_that_stays_behind_fails_the_takeover(registry: Registry) -> None:
    """Matching against half a registry would lose deliveries."""
    _table(registry).at = 4

    with pytest.raises(KafkaUnavailable):
        await registry.take_over(3)


async def test_catching_up_asks_for_the_end_each_time(registry: Registry) -> None:
    """The end of a moment ago says nothing about writes since."""
    await registry.take_over(3)
    assert await registry.catch_up(3, timeout_s=1)

    _table(registry).end = 6
    assert not await registry.catch_up(3, timeout_s=1)
    assert registry.position(3) == 5


def test_a_registry_without_table_says_so() -> None:
    """A wiring mistake shows at once."""
    with pytest.raises(RuntimeError):
        _ = Registry().table
