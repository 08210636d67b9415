"""Stand-ins for the ports of the gateway; tests/contract/gateway.py says what they must do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic

import orjson

from chassis.kafka import KafkaUnavailable, Record
from chassis.vault import Vault
from gateway.ingest_rules import IngestFacts
from gateway.kafka_registry import encode_change, encode_removal, unseal
from gateway.lines import Done
from gateway.publish import NotPublished, Published
from gateway.registry import AnyRecord, R, Removal, Stored
from gateway.registry_rows import RegistryIndex, decode_row
from gateway.subscriptions import Change, RawRecord
from schemas.registry import RegistryKind, SealedFields, SubscriptionRecord, registry_key
from tests.fakes.clock import ManualClock

VAULT = Vault([("k1", b"k" * 32)])


class MemoryPublisher:
    """Keep what was published; `outcomes` are answers to give instead, first come first.

    `submitted` counts who did not wait in a task. While it `is_holding`, all wait for `release`.
    One that `is_broken` has a defect.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.outcomes: list[NotPublished | None] = []
        self.submitted = 0
        self.is_holding = False
        self.is_broken = False
        self._held: list[Callable[[], None]] = []

    async def publish(self, records: Sequence[Record]) -> Sequence[Published | NotPublished]:
        """Append records, or answer what the test wants."""
        outcomes = [self._append(record) for record in records]
        if self.is_holding:
            released = asyncio.Event()
            self._held.append(released.set)
            await released.wait()
        return outcomes

    def submit(self, records: Sequence[Record], on_done: Done) -> None:
        """Do the same, and tell it in a later turn of the loop."""
        self.submitted += 1
        if self.is_broken:
            raise RuntimeError("a defect")
        outcomes = [self._append(record) for record in records]
        if self.is_holding:
            self._held.append(lambda: on_done(outcomes))
        else:
            asyncio.get_running_loop().call_soon(on_done, outcomes)

    def release(self) -> None:
        """Tell everybody who waits."""
        held, self._held, self.is_holding = self._held, [], False
        for tell in held:
            tell()

    def _append(self, record: Record) -> Published | NotPublished:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            return outcome
        offset = sum(one.partition == record.partition for one in self.records)
        self.records.append(record)
        return Published(record.partition, offset)


class MemoryRevocations:
    """Whether all revocations are known; while they are not, `wakes` says if waiting helps."""

    def __init__(self) -> None:
        self.are_known = True
        self.wakes = False
        self.waits = 0

    async def wait_known(self) -> bool:
        """Wait for no time at all."""
        self.waits += 1
        self.are_known = self.wakes
        return self.are_known


class MemoryTopic:
    """Records by key as readers see them; whatever is derived from them follows each change.

    Writers take turns: who holds `turns` keeps the others in line, before they decide.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.stored: dict[bytes, Stored[AnyRecord]] = {}
        self.index = RegistryIndex()
        self.facts = IngestFacts()
        self.turns = asyncio.Lock()
        self.in_line = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of one writer."""
        self.in_line += 1
        async with self.turns:
            self.in_line -= 1
            yield

    def apply(self, key: bytes, value: bytes) -> AnyRecord:
        """Write a record as any process would have done."""
        row = decode_row(key, value)
        assert row is not None
        self.stored[key] = Stored(row.record, value, self.clock.now_ms())
        self.index.note(key, row)
        self.facts.note(key, row)
        return row.record


class MemoryShelf(Generic[R]):
    """The records of one kind."""

    def __init__(
        self, topic: MemoryTopic, kind: RegistryKind, record_type: type[R], *, holder: str | None
    ) -> None:
        self._topic = topic
        self._kind = kind
        self._record_type = record_type
        self._holder = holder

    def find(self, name: str) -> Stored[R] | None:
        """Find a record that is not deleted."""
        stored = self._topic.stored.get(self._key(name))
        if stored is None or stored.record.deleted:
            return None
        assert isinstance(stored.record, self._record_type)
        return Stored(stored.record, stored.value, stored.appended_at)

    def version_of(self, name: str) -> int:
        """Give the last version of a name, deleted ones too."""
        stored = self._topic.stored.get(self._key(name))
        return 0 if stored is None else stored.record.version

    def places(self) -> Sequence[str]:
        """List the places of the records that are not deleted, ascending."""
        return self._topic.index.places_of(self._kind)

    async def write(self, name: str, decide: Callable[[], RawRecord]) -> R:
        """Write what `decide` returns."""
        async with self._topic.turn():
            record = self._topic.apply(self._key(name), orjson.dumps(decide()))
        assert isinstance(record, self._record_type)
        return record

    def _key(self, name: str) -> bytes:
        return registry_key(self._holder or name, self._kind, name)


class MemoryRegistry:
    """Subscriptions by key, sealed by a real vault; append times come from a clock."""

    def __init__(self, topic: MemoryTopic | None = None) -> None:
        self.topic = topic or MemoryTopic()

    @property
    def stored(self) -> dict[bytes, Stored[AnyRecord]]:
        """Give everything that was written."""
        return self.topic.stored

    def put(self, record: dict[str, object], sealed: SealedFields) -> Stored[SubscriptionRecord]:
        """Write a record as some other process would have done."""
        key, value, decoded = encode_change(Change(record, sealed), VAULT)
        self.topic.apply(key, value)
        return Stored(decoded, value, self.topic.clock.now_ms())

    def raw(self, subscriber: str, subscription_id: str) -> dict[str, object]:
        """Give the stored JSON of a record, deleted ones too."""
        raw: dict[str, object] = orjson.loads(
            self.stored[registry_key(subscriber, "subscription", subscription_id)].value
        )
        return raw

    def find(self, subscriber: str, subscription_id: str) -> Stored[SubscriptionRecord] | None:
        """Find a subscription that is not deleted."""
        stored = self.stored.get(registry_key(subscriber, "subscription", subscription_id))
        if stored is None or stored.record.deleted:
            return None
        assert isinstance(stored.record, SubscriptionRecord)
        return Stored(stored.record, stored.value, stored.appended_at)

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List the ids of a subscriber's subscriptions, ascending."""
        return self.topic.index.ids_of(subscriber)

    def subscribers(self) -> Sequence[str]:
        """List the places of those that have a record or a subscription, ascending."""
        return self.topic.index.subscribers()

    def unseal(self, record: SubscriptionRecord) -> SealedFields | None:
        """Open what is sealed in a record."""
        return unseal(
            VAULT, registry_key(record.subscriber, "subscription", record.id), record.sealed
        )

    async def write(self, subscriber: str, decide: Callable[[], Change]) -> SubscriptionRecord:
        """Write what `decide` returns."""
        async with self.topic.turn():
            key, value, record = encode_change(decide(), VAULT)
            self.topic.apply(key, value)
        return record

    async def remove(self, subscriber: str, decide: Callable[[], Removal]) -> None:
        """Write a whole removal."""
        async with self.topic.turn():
            for key, value in encode_removal(subscriber, decide(), VAULT):
                assert value is not None
                self.topic.apply(key, value)


class ScriptedAppender:
    """A producer of which a test decides when and how each batch ends."""

    def __init__(self, moved: asyncio.Event, *, fails_start: bool = False) -> None:
        self.moved = moved
        self.batches: list[list[Record]] = []
        self.fails_start = fails_start
        self.answers: asyncio.Queue[int | KafkaUnavailable] = asyncio.Queue()
        self.is_retired = False

    async def start(self) -> None:
        """Connect, or fail when the test wants."""
        self.moved.set()
        if self.fails_start:
            raise KafkaUnavailable("no broker")

    async def append(self, records: Sequence[Record]) -> int:
        """Wait for the answer that the test gives."""
        self.batches.append(list(records))
        self.moved.set()
        answer = await self.answers.get()
        if isinstance(answer, KafkaUnavailable):
            raise answer
        return answer

    async def retire(self) -> None:
        """End."""
        self.is_retired = True
