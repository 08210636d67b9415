"""The registry over its compacted topic.

Reads come from this process's copy of the topic. A write decides on the newest state
(compare-and-set, PROTOCOL R5) and returns when this copy has it, so a client reads what it wrote.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, cast

import orjson

from chassis.table import Table
from chassis.table_writer import TableWriter, WriteInDoubt, Writes, WriteUnavailable
from chassis.vault import Tampered, UnknownKey, Vault
from gateway.problems import Code, Problem, RefusedError
from gateway.registry import AnyRecord, R, Removal, Stored
from gateway.registry_rows import RegistryIndex, Row, decode_row
from gateway.subscriptions import Change, RawRecord
from schemas.api_keys import KEYS_SUBSCRIBER
from schemas.event import Violation
from schemas.registry import (
    RegistryKind,
    SealedFields,
    SubscriptionRecord,
    decode_sealed,
    decode_subscription,
    encode_sealed,
    registry_key,
)
from schemas.subscribers import subscriber_key
from schemas.topics import partition_of

KNOWN_S = 1.5
"""How old what is known of keys may be; a revocation is to hold everywhere within 2 s."""

_NOT_WRITTEN = Problem(
    Code.UNAVAILABLE, "the registry takes no writes now; nothing was written: try again"
)
_IN_DOUBT = Problem(
    Code.UNKNOWN,
    "the registry has not answered in time: this was written, or never will be. Read before you"
    " repeat it; with If-Match a repeat cannot overwrite anything",
)


class RegistryTopic:
    """The topic: one copy in memory, one writer, and how many partitions there are."""

    def __init__(
        self,
        table: Table[Row],
        writer: TableWriter[Row],
        *,
        index: RegistryIndex,
        partitions: int,
    ) -> None:
        self.index = index
        self._table = table
        self._writer = writer
        self._partitions = partitions

    def get(self, subscriber: str, key: bytes) -> Stored[AnyRecord] | None:
        """Give the record of a key, deleted ones too, with its append time."""
        partition = partition_of(subscriber.encode(), self._partitions)
        row = self._table.get(partition, key)
        if row is None:
            return None
        return row.stored(appended_at=self._table.appended_at(partition, key))

    def is_known(self, subscriber: str) -> bool:
        """Tell whether all that was written for a subscriber is known but for the last moment's."""
        partition = partition_of(subscriber.encode(), self._partitions)
        return self._table.lag_s(partition) <= KNOWN_S

    async def wait_known(self, subscriber: str, *, timeout_s: float) -> bool:
        """Wait until it is; False at the timeout."""
        partition = partition_of(subscriber.encode(), self._partitions)
        return await self._table.wait_fresh(partition, within_s=KNOWN_S, timeout_s=timeout_s)

    async def update(self, subscriber: str, produce: Callable[[], Writes]) -> None:
        """Write at once what `produce` returns.

        After too long RefusedError: `unavailable`, or `unknown` when it may have been written.
        """
        partition = partition_of(subscriber.encode(), self._partitions)
        try:
            await self._writer.update(partition, produce)
        except WriteInDoubt:
            raise RefusedError(_IN_DOUBT) from None
        except WriteUnavailable:
            raise RefusedError(_NOT_WRITTEN) from None


class KafkaRevocations:
    """Whether all revocations of keys are known, by what was heard of where keys lie."""

    def __init__(self, topic: RegistryTopic, *, timeout_s: float) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._waiting: asyncio.Task[bool] | None = None

    @property
    def are_known(self) -> bool:
        """Tell whether they are, but for those of the last KNOWN_S."""
        return self._topic.is_known(KEYS_SUBSCRIBER)

    async def wait_known(self) -> bool:
        """Wait a bounded time until they are; tell whether they are.

        All who wait, a whole gateway's requests when Kafka is silent, share one wait.
        """
        if self._waiting is None or self._waiting.done():
            wait = self._topic.wait_known(KEYS_SUBSCRIBER, timeout_s=self._timeout_s)
            self._waiting = asyncio.create_task(wait, name="wait-revocations")
        return await asyncio.shield(self._waiting)


class KafkaShelf(Generic[R]):
    """The records of one kind; all lie under one reserved subscriber, or each under its own."""

    def __init__(
        self,
        topic: RegistryTopic,
        kind: RegistryKind,
        record_type: type[R],
        *,
        holder: str | None,
    ) -> None:
        self._topic = topic
        self._kind = kind
        self._record_type = record_type
        self._holder = holder

    def find(self, name: str) -> Stored[R] | None:
        """Find a record that is not deleted."""
        stored = self._get(name)
        return None if stored is None or stored.record.deleted else stored

    def version_of(self, name: str) -> int:
        """Give the last version of a name, deleted ones too."""
        stored = self._get(name)
        return 0 if stored is None else stored.record.version

    def places(self) -> Sequence[str]:
        """List the places of the records that are not deleted, ascending."""
        return self._topic.index.places_of(self._kind)

    async def write(self, name: str, decide: Callable[[], RawRecord]) -> R:
        """Write what `decide` returns, and wait until this process reads it."""
        holder = self._holder or name
        key = registry_key(holder, self._kind, name)
        written: list[R] = []

        def produce() -> Writes:
            value = orjson.dumps(decide())
            written[:] = [readable(key, value, self._record_type)]
            return [(key, value)]

        await self._topic.update(holder, produce)
        return written[0]

    def _get(self, name: str) -> Stored[R] | None:
        holder = self._holder or name
        row = self._topic.get(holder, registry_key(holder, self._kind, name))
        if row is None or not isinstance(row.record, self._record_type):
            return None
        return cast("Stored[R]", row)


class KafkaRegistry:
    """Subscriptions over the compacted topic."""

    def __init__(self, topic: RegistryTopic, vault: Vault) -> None:
        self._topic = topic
        self._vault = vault

    def find(self, subscriber: str, subscription_id: str) -> Stored[SubscriptionRecord] | None:
        """Find a subscription that is not deleted."""
        row = self._topic.get(subscriber, registry_key(subscriber, "subscription", subscription_id))
        if row is None or not isinstance(row.record, SubscriptionRecord) or row.record.deleted:
            return None
        return cast("Stored[SubscriptionRecord]", row)

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List the ids of a subscriber's subscriptions, ascending."""
        return self._topic.index.ids_of(subscriber)

    def subscribers(self) -> Sequence[str]:
        """List the places of those that have a record or a subscription, ascending."""
        return self._topic.index.subscribers()

    def unseal(self, record: SubscriptionRecord) -> SealedFields | None:
        """Open what is sealed in a record; None when no key of ours opens it."""
        key = registry_key(record.subscriber, "subscription", record.id)
        return unseal(self._vault, key, record.sealed)

    async def write(self, subscriber: str, decide: Callable[[], Change]) -> SubscriptionRecord:
        """Write what `decide` returns, and wait until this process reads it."""
        written: list[SubscriptionRecord] = []

        def produce() -> Writes:
            key, value, record = encode_change(decide(), self._vault)
            written[:] = [record]
            return [(key, value)]

        await self._topic.update(subscriber, produce)
        return written[0]

    async def remove(self, subscriber: str, decide: Callable[[], Removal]) -> None:
        """Write all of a removal in one transaction."""
        await self._topic.update(
            subscriber, lambda: encode_removal(subscriber, decide(), self._vault)
        )


def encode_removal(subscriber: str, removal: Removal, vault: Vault) -> Writes:
    """Serialise everything that a removal writes; subscriptions first, its own record last."""
    writes: list[tuple[bytes, bytes | None]] = []
    for change in removal.subscriptions:
        key, value, _ = encode_change(change, vault)
        writes.append((key, value))
    if removal.subscriber is not None:
        writes.append((subscriber_key(subscriber), orjson.dumps(removal.subscriber)))
    return writes


def encode_change(change: Change, vault: Vault) -> tuple[bytes, bytes, SubscriptionRecord]:
    """Seal and serialise a change; gives key, value and the record a reader will see."""
    raw = change.record
    key = registry_key(str(raw["subscriber"]), "subscription", str(raw["id"]))
    if change.sealed is not None:
        blob = vault.seal(encode_sealed(change.sealed), aad=key)
        raw = {**raw, "sealed": base64.b64encode(blob).decode()}
    value = orjson.dumps(raw)
    record = decode_subscription(value)
    if isinstance(record, Violation):
        raise TypeError("the gateway made a record that nobody can read")
    return key, value, record


def readable(key: bytes, value: bytes, record_type: type[R]) -> R:
    """Give the record that readers will see; TypeError when they could not read it."""
    try:
        row = decode_row(key, value)
    except ValueError:
        row = None
    record = None if row is None else row.record
    if not isinstance(record, record_type):
        raise TypeError("the gateway made a record that nobody can read")
    return record


def unseal(vault: Vault, key: bytes, sealed: str) -> SealedFields | None:
    """Open a sealed text that belongs to a record key."""
    try:
        plain = vault.open(base64.b64decode(sealed, validate=True), aad=key)
    except (binascii.Error, UnknownKey, Tampered):
        return None
    fields = decode_sealed(plain)
    return None if isinstance(fields, Violation) else fields
