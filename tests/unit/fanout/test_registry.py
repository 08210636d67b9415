"""Tests of the registry as fan-out reads it."""

from collections.abc import Collection, Iterable, Sequence

import pytest

from chassis.kafka import KafkaUnavailable
from fanout.directory import Entry
from fanout.registry import Registry, RegistryHooks
from schemas.event import Event
from schemas.filters import FilterError
from schemas.registry import registry_key
from schemas.schema_survey import SchemaError
from schemas.topics import partition_of
from tests.registry_keys import event_type_key
from tests.unit.fanout.events import event_type, subscription

PARTITIONS = 8
SHARED = partition_of(b"$event-types", PARTITIONS)
OWN, OTHER = (SHARED + 1) % PARTITIONS, (SHARED + 2) % PARTITIONS
KEY = registry_key("acme", "subscription", "sub_1")
BROKEN = Event(subscriber="acme", id="1", source="/s", type="order.paid", data=b"{}")


class FakeTable:
    """Reads a partition when it is owned, and forgets it afterwards, as the real one does."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.owned: set[int] = set()
        self.content: dict[int, dict[bytes, Entry]] = {
            partition: {KEY: subscription(enabled_at=None)} for partition in range(PARTITIONS)
        }
        self.content[SHARED][event_type_key("order.paid")] = event_type()
        self.ends = dict.fromkeys(range(PARTITIONS), 5)
        self.at = dict.fromkeys(range(PARTITIONS), 5)

    async def own(self, partitions: Collection[int]) -> None:
        """Hand over what is new."""
        new = set(partitions) - self.owned
        self.owned = set(partitions)
        for partition in new:
            for key, entry in self.content[partition].items():
                self._registry.changed(partition, key, entry)

    async def end_offset(self, partition: int) -> int:
        """Return the end."""
        return self.ends[partition]

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Answer at once."""
        return self.at[partition] >= position

    def appended_at(self, partition: int, key: bytes) -> int | None:
        """Return a fixed time."""
        return 42

    def position(self, partition: int) -> int:
        """Return how far it is."""
        return self.at[partition]

    def items(self, partition: int) -> Iterable[tuple[bytes, Entry | None]]:
        """Return what is owned."""
        return list(self.content[partition].items()) if partition in self.owned else []


class Alarms(RegistryHooks):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[bytes, str]] = []

    def on_filter_broken(self, key: bytes, errors: Sequence[FilterError]) -> None:
        """Keep the first place."""
        self.told.append((key, errors[0].pointer))

    def on_schema_broken(self, key: bytes, errors: Sequence[SchemaError]) -> None:
        """Keep the first place."""
        self.told.append((key, errors[0].pointer))


@pytest.fixture
def registry() -> Registry:
    """Give a registry over a fake table."""
    registry = Registry(partitions=PARTITIONS)
    registry.attach(FakeTable(registry))
    return registry


def _table(registry: Registry) -> FakeTable:
    assert isinstance(registry.table, FakeTable)
    return registry.table


async def test_a_takeover_gives_a_directory_that_is_full(registry: Registry) -> None:
    """And later changes reach the same directory."""
    directory = await registry.take_over(OWN)

    assert directory.index_of("acme").match("a")[0].enabled_at == 42
    registry.changed(OWN, KEY, None)
    assert directory.index_of("acme").match("a") == ()


async def test_a_second_takeover_reads_again_from_the_start(registry: Registry) -> None:
    """A directory of an earlier life may have missed changes."""
    first = await registry.take_over(OWN)
    registry.changed(OWN, KEY, None)

    second = await registry.take_over(OWN)

    assert first.index_of("acme").match("a") == ()
    assert len(second.index_of("acme").match("a")) == 1


async def test_partitions_come_and_go_alone(registry: Registry) -> None:
    """Disowning one leaves the others; twice is harmless; later changes are ignored."""
    await registry.take_over(OWN)
    await registry.take_over(OTHER)

    await registry.disown(OWN)
    await registry.disown(OWN)
    registry.changed(OWN, KEY, None)

    assert _table(registry).owned == {OTHER, SHARED}


async def test_a_registry_that_stays_behind_fails_the_takeover(registry: Registry) -> None:
    """Matching against half a registry would lose deliveries."""
    _table(registry).at[OWN] = 4

    with pytest.raises(KafkaUnavailable):
        await registry.take_over(OWN)


async def test_catching_up_asks_for_the_end_each_time(registry: Registry) -> None:
    """The end of a moment ago says nothing about writes since."""
    await registry.take_over(OWN)
    assert await registry.catch_up(OWN, timeout_s=1)

    _table(registry).ends[OWN] = 6
    assert not await registry.catch_up(OWN, timeout_s=1)
    assert registry.position(OWN) == 5


def test_a_registry_without_table_says_so() -> None:
    """A wiring mistake shows at once."""
    with pytest.raises(RuntimeError):
        _ = Registry(partitions=1).table


async def test_event_types_are_read_with_any_partition(registry: Registry) -> None:
    """They concern every subscriber, and lie on a partition that somebody else may own."""
    assert registry.event_types.violations(BROKEN) == ()

    await registry.take_over(OWN)
    assert registry.event_types.violations(BROKEN) != ()

    registry.changed(SHARED, event_type_key("order.paid"), None)
    assert registry.event_types.violations(BROKEN) == ()


async def test_matching_waits_for_event_types_too(registry: Registry) -> None:
    """A schema acknowledged before an event judges it."""
    await registry.take_over(OWN)

    _table(registry).ends[SHARED] = 6

    assert not await registry.catch_up(OWN, timeout_s=1)
    with pytest.raises(KafkaUnavailable):
        await registry.take_over(OTHER)


async def test_without_partitions_nothing_is_read_or_remembered(registry: Registry) -> None:
    """A type deleted while nobody read must not judge later."""
    await registry.take_over(OWN)
    await registry.disown(OWN)
    assert _table(registry).owned == set()

    del _table(registry).content[SHARED][event_type_key("order.paid")]
    await registry.take_over(OWN)

    assert registry.event_types.violations(BROKEN) == ()


async def test_the_shared_partition_is_owned_like_any_other(registry: Registry) -> None:
    """Its subscriptions are there although the table had read it before, and it stays when left."""
    await registry.take_over(OWN)

    directory = await registry.take_over(SHARED)
    assert len(directory.index_of("acme").match("a")) == 1
    again = await registry.take_over(SHARED)
    assert len(again.index_of("acme").match("a")) == 1

    await registry.disown(SHARED)
    assert _table(registry).owned == {OWN, SHARED}
    assert registry.event_types.violations(BROKEN) != ()


async def test_rules_that_do_not_compile_are_alarmed() -> None:
    """They were stored by a version that could."""
    alarms = Alarms()
    registry = Registry(partitions=PARTITIONS, hooks=alarms)
    registry.attach(FakeTable(registry))
    await registry.take_over(OWN)

    registry.changed(OWN, KEY, subscription(filter={"data.n": {"$no": 1}}))
    registry.changed(SHARED, event_type_key("a"), event_type("a", schema={"$ref": "x"}))

    assert alarms.told == [(KEY, "/data.n/$no"), (event_type_key("a"), "/$ref")]
