"""What the ports of the gateway promise; run against the fakes and against Kafka.

Subclass, give the fixture, and pytest runs the suite.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec
import pytest

from chassis.kafka import Record
from gateway.paging import name_at
from gateway.problems import Code, Problem, RefusedError
from gateway.publish import Outcome, Published, Publisher
from gateway.registry import Registry, Removal, Shelf
from gateway.subscriptions import Change
from schemas.event_types import EventTypeRecord
from schemas.registry import SealedFields

SEALED = SealedFields(url="https://example.com/", headers={"X-A": "b"}, secret="whsec_x")


def raw_record(subscription_id: str, *, version: int = 1, **more: object) -> dict[str, object]:
    """Make the smallest record of a subscription of `acme`."""
    return {
        "v": 1,
        "id": subscription_id,
        "subscriber": "acme",
        "version": version,
        "lane_epoch": 1,
        "drop_before": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
        **more,
    }


class PublisherContract:
    """Subclass with a fixture `publisher`, and `topic` when it writes to a real one."""

    @pytest.fixture
    def topic(self) -> str:
        """Give the topic to write to."""
        return "events"

    async def test_offsets_of_a_partition_grow_in_the_order_of_requests(
        self, publisher: Publisher, topic: str
    ) -> None:
        """A place is that of the record itself, and later requests come later."""
        record = Record(topic, 1, b"acme", b"1", [("h", b"v")])

        (first,) = await publisher.publish([record])
        other, second, third = await publisher.publish(
            [msgspec.structs.replace(record, partition=0), record, record]
        )

        assert isinstance(first, Published)
        assert isinstance(second, Published)
        assert isinstance(third, Published)
        assert isinstance(other, Published)
        assert [one.partition for one in (first, second, third, other)] == [1, 1, 1, 0]
        assert first.offset < second.offset < third.offset

    async def test_who_does_not_wait_is_told_later(self, publisher: Publisher, topic: str) -> None:
        """Once, and never inside of the call: the caller has yet to note that it submitted."""
        told: asyncio.Queue[Sequence[Outcome]] = asyncio.Queue()

        publisher.submit([Record(topic, 0, b"acme", b"1", [])], told.put_nowait)

        assert told.empty()
        async with asyncio.timeout(30):
            (outcome,) = await told.get()
        assert isinstance(outcome, Published)
        assert told.empty()

    async def test_nothing_is_published_at_once(self, publisher: Publisher) -> None:
        """A batch of bad items only has no record."""
        assert list(await publisher.publish([])) == []


class RegistryContract:
    """Subclass with a fixture `registry`."""

    async def test_what_was_written_is_read_at_once(self, registry: Registry) -> None:
        """A client that was answered finds what it wrote, also in the list."""
        record = await registry.write("acme", lambda: Change(raw_record("sub_1"), SEALED))

        found = registry.find("acme", "sub_1")
        assert found is not None
        assert found.record == record
        assert found.appended_at is not None
        assert list(registry.ids_of("acme")) == ["sub_1"]
        assert registry.unseal(record) == SEALED

    async def test_ids_are_ascending_and_those_of_one_subscriber(self, registry: Registry) -> None:
        """Lists never show what belongs to somebody else."""
        for name in ("sub_3", "sub_1", "sub_2"):
            await registry.write("acme", partial(Change, raw_record(name), SEALED))
        foreign = raw_record("sub_0") | {"subscriber": "globex"}
        await registry.write("globex", lambda: Change(foreign, SEALED))

        assert list(registry.ids_of("acme")) == ["sub_1", "sub_2", "sub_3"]
        assert list(registry.ids_of("globex")) == ["sub_0"]
        assert list(registry.ids_of("nobody")) == []
        assert registry.find("globex", "sub_1") is None

    async def test_a_deleted_one_is_not_there(self, registry: Registry) -> None:
        """The record stays for the readers, the resource is gone."""
        await registry.write("acme", lambda: Change(raw_record("sub_1"), SEALED))
        stored = registry.find("acme", "sub_1")
        assert stored is not None
        gone = stored.raw() | {"version": 2, "deleted": True}

        await registry.write("acme", lambda: Change(gone, None))

        assert registry.find("acme", "sub_1") is None
        assert list(registry.ids_of("acme")) == []

    async def test_a_decision_that_raises_writes_nothing(self, registry: Registry) -> None:
        """A refusal leaves the state as it was."""

        def refuse() -> Change:
            raise RefusedError(Problem(Code.CONFLICT, "no"))

        with pytest.raises(RefusedError):
            await registry.write("acme", refuse)

        assert list(registry.ids_of("acme")) == []

    async def test_sealed_and_unknown_fields_survive(self, registry: Registry) -> None:
        """A writer that leaves `sealed` alone keeps it, and whatever a later version wrote."""
        first = raw_record("sub_1", of_the_future={"x": [1]})
        await registry.write("acme", lambda: Change(first, SEALED))

        def touch() -> Change:
            stored = registry.find("acme", "sub_1")
            assert stored is not None
            return Change(stored.raw() | {"version": 2}, None)

        record = await registry.write("acme", touch)

        found = registry.find("acme", "sub_1")
        assert found is not None
        assert found.raw()["of_the_future"] == {"x": [1]}
        assert found.record.version == 2
        assert registry.unseal(record) == SEALED

    async def test_a_sealed_text_opens_in_its_own_record_only(self, registry: Registry) -> None:
        """Whoever can write to the topic cannot move a secret to another subscription."""
        record = await registry.write("acme", lambda: Change(raw_record("sub_1"), SEALED))

        def moved() -> Change:
            return Change(raw_record("sub_2", sealed=record.sealed), None)

        stolen = await registry.write("acme", moved)

        assert registry.unseal(stolen) is None

    async def test_subscribers_are_those_that_have_something(self, registry: Registry) -> None:
        """A removal ends all of it at once, and the subscriber with it."""
        for name in ("sub_1", "sub_2"):
            await registry.write("acme", partial(Change, raw_record(name), SEALED))
        foreign = raw_record("sub_0") | {"subscriber": "globex"}
        await registry.write("globex", lambda: Change(foreign, SEALED))
        assert sorted(map(name_at, registry.subscribers())) == ["acme", "globex"]

        def remove() -> Removal:
            stored = [registry.find("acme", name) for name in registry.ids_of("acme")]
            gone = [one.raw() | {"deleted": True} for one in stored if one is not None]
            return Removal(None, [Change(raw, None) for raw in gone])

        await registry.remove("acme", remove)

        assert sorted(map(name_at, registry.subscribers())) == ["globex"]
        assert list(registry.ids_of("acme")) == []

    async def test_a_removal_that_raises_removes_nothing(self, registry: Registry) -> None:
        """It sees the newest state, and may find that it must not."""
        await registry.write("acme", lambda: Change(raw_record("sub_1"), SEALED))

        def refuse() -> Removal:
            raise RefusedError(Problem(Code.CONFLICT, "no"))

        with pytest.raises(RefusedError):
            await registry.remove("acme", refuse)

        assert list(registry.ids_of("acme")) == ["sub_1"]


def event_type_record(name: str, *, version: int = 1, **more: object) -> dict[str, object]:
    """Make the smallest record of an event type."""
    times = {"created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z"}
    return {"v": 1, "name": name, "version": version, **times, **more}


class ShelfContract:
    """Subclass with a fixture `shelf`, one of event types."""

    async def test_what_was_written_is_found_at_once(self, shelf: Shelf[EventTypeRecord]) -> None:
        """Names with slashes too, the oldest first, and nothing of other names."""
        for day, name in enumerate(("b", "a/b", "c")):
            at = f"2026-01-0{3 - day}T00:00:00.000Z"
            await shelf.write(name, partial(event_type_record, name, created_at=at, later=1))

        found = shelf.find("a/b")
        assert found is not None
        assert (found.record.name, found.raw()["later"]) == ("a/b", 1)
        assert [name_at(place) for place in shelf.places()] == ["c", "a/b", "b"]
        assert shelf.find("d") is None
        assert shelf.version_of("d") == 0

    async def test_a_deleted_one_leaves_its_version(self, shelf: Shelf[EventTypeRecord]) -> None:
        """Made again it goes on from there."""
        await shelf.write("a", lambda: event_type_record("a"))
        await shelf.write("a", lambda: event_type_record("a", version=2, deleted=True))

        assert shelf.find("a") is None
        assert list(shelf.places()) == []
        assert shelf.version_of("a") == 2

    async def test_a_decision_that_raises_writes_nothing(
        self, shelf: Shelf[EventTypeRecord]
    ) -> None:
        """A refusal leaves the state as it was."""

        def refuse() -> dict[str, object]:
            raise RefusedError(Problem(Code.CONFLICT, "no"))

        with pytest.raises(RefusedError):
            await shelf.write("a", refuse)

        assert list(shelf.places()) == []
