"""Stand-ins for the ports of the gateway; tests/contract/gateway.py says what they must do."""

import asyncio
from collections.abc import Callable, Sequence

import orjson

from chassis.kafka import KafkaUnavailable, Record
from chassis.vault import Vault
from gateway.kafka_registry import encode_change, unseal
from gateway.publish import NotPublished, Published
from gateway.registry import Stored
from gateway.subscriptions import Change
from schemas.registry import SealedFields, SubscriptionRecord, registry_key
from tests.fakes.clock import ManualClock

VAULT = Vault([("k1", b"k" * 32)])


class MemoryPublisher:
    """Keep what was published; `outcomes` are answers to give instead, first come first."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.outcomes: list[NotPublished | None] = []

    async def publish(self, records: Sequence[Record]) -> Sequence[Published | NotPublished]:
        """Append records, or answer what the test wants."""
        return [self._append(record) for record in records]

    def _append(self, record: Record) -> Published | NotPublished:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            return outcome
        offset = sum(one.partition == record.partition for one in self.records)
        self.records.append(record)
        return Published(record.partition, offset)


class MemoryRegistry:
    """Keep records by key, sealed by a real vault; append times come from a clock."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.stored: dict[bytes, Stored] = {}

    def put(self, record: dict[str, object], sealed: SealedFields) -> Stored:
        """Write a record as some other process would have done."""
        key, value, decoded = encode_change(Change(record, sealed), VAULT)
        self.stored[key] = Stored(decoded, value, self.clock.now_ms())
        return self.stored[key]

    def raw(self, subscriber: str, subscription_id: str) -> dict[str, object]:
        """Give the stored JSON of a record, deleted ones too."""
        raw: dict[str, object] = orjson.loads(
            self.stored[registry_key(subscriber, "subscription", subscription_id)].value
        )
        return raw

    def find(self, subscriber: str, subscription_id: str) -> Stored | None:
        """Find a subscription that is not deleted."""
        stored = self.stored.get(registry_key(subscriber, "subscription", subscription_id))
        return None if stored is None or stored.record.deleted else stored

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List the ids of a subscriber's subscriptions, ascending."""
        alive = (one.record for one in self.stored.values() if not one.record.deleted)
        return sorted(one.id for one in alive if one.subscriber == subscriber)

    def unseal(self, record: SubscriptionRecord) -> SealedFields | None:
        """Open what is sealed in a record."""
        return unseal(
            VAULT, registry_key(record.subscriber, "subscription", record.id), record.sealed
        )

    async def write(self, subscriber: str, decide: Callable[[], Change]) -> SubscriptionRecord:
        """Write what `decide` returns."""
        key, value, record = encode_change(decide(), VAULT)
        self.stored[key] = Stored(record, value, self.clock.now_ms())
        return record


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
