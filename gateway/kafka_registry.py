"""The registry over its compacted topic.

Reads come from this process's copy of the topic. A write decides on the newest state
(compare-and-set, PROTOCOL R5) and returns when this copy has it, so a client reads what it wrote.
Records of other kinds pass through untouched.
"""

import base64
import binascii
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import orjson

from chassis.table import Table
from chassis.table_writer import TableWriter, WriteUnavailable
from chassis.vault import Tampered, UnknownKey, Vault
from gateway.problems import Code, Problem, RefusedError
from gateway.registry import Stored
from gateway.subscriptions import Change
from schemas.event import Violation
from schemas.registry import (
    SealedFields,
    SubscriptionRecord,
    decode_sealed,
    decode_subscription,
    encode_sealed,
    parse_registry_key,
    registry_key,
)
from schemas.topics import partition_of


class SubscriptionIndex:
    """The ids of the subscriptions that live, by subscriber; fed by the table's changes."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}

    def note(self, key: bytes, record: SubscriptionRecord | None) -> None:
        """Follow one change of the table."""
        parts = parse_registry_key(key)
        if parts is None or parts.kind != "subscription":
            return
        ids = self._ids.setdefault(parts.subscriber, [])
        at = bisect_left(ids, parts.id)
        is_known = at < len(ids) and ids[at] == parts.id
        if record is not None and not record.deleted:
            if not is_known:
                insort(ids, parts.id)
        elif is_known:
            del ids[at]
        if not ids:
            del self._ids[parts.subscriber]

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List ids, ascending."""
        return self._ids.get(subscriber, ())


Row = Stored | None


def decode_row(key: bytes, value: bytes) -> Row:
    """Read one record of the registry; None for the kinds that the gateway does not use yet.

    Raises ValueError for a subscription that cannot be read: the table then keeps the last good.
    """
    parts = parse_registry_key(key)
    if parts is None or parts.kind != "subscription":
        return None
    record = decode_subscription(value)
    if isinstance(record, Violation):
        raise ValueError(record.detail)  # noqa: TRY004 - what a table expects of its decoder
    return Stored(record, value)


class KafkaRegistry:
    """The registry over the compacted topic."""

    def __init__(
        self,
        table: Table[Row],
        writer: TableWriter[Row],
        *,
        index: SubscriptionIndex,
        vault: Vault,
        partitions: int,
    ) -> None:
        self._table = table
        self._writer = writer
        self._index = index
        self._vault = vault
        self._partitions = partitions

    def find(self, subscriber: str, subscription_id: str) -> Stored | None:
        """Find a subscription that is not deleted."""
        key = registry_key(subscriber, "subscription", subscription_id)
        partition = partition_of(subscriber.encode(), self._partitions)
        row = self._table.get(partition, key)
        if row is None or row.record.deleted:
            return None
        return Stored(row.record, row.value, self._table.appended_at(partition, key))

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List the ids of a subscriber's subscriptions, ascending."""
        return self._index.ids_of(subscriber)

    def unseal(self, record: SubscriptionRecord) -> SealedFields | None:
        """Open what is sealed in a record; None when no key of ours opens it."""
        key = registry_key(record.subscriber, "subscription", record.id)
        return unseal(self._vault, key, record.sealed)

    async def write(self, subscriber: str, decide: Callable[[], Change]) -> SubscriptionRecord:
        """Write what `decide` returns, and wait until this process reads it."""
        written: list[SubscriptionRecord] = []

        def produce() -> Sequence[tuple[bytes, bytes | None]]:
            written.clear()
            key, value, record = encode_change(decide(), self._vault)
            written.append(record)
            return [(key, value)]

        partition = partition_of(subscriber.encode(), self._partitions)
        try:
            await self._writer.update(partition, produce)
        except WriteUnavailable:
            detail = "the registry does not take writes now: try again"
            raise RefusedError(Problem(Code.UNAVAILABLE, detail)) from None
        return written[0]


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


def unseal(vault: Vault, key: bytes, sealed: str) -> SealedFields | None:
    """Open a sealed text that belongs to a record key."""
    try:
        plain = vault.open(base64.b64decode(sealed, validate=True), aad=key)
    except (binascii.Error, UnknownKey, Tampered):
        return None
    fields = decode_sealed(plain)
    return None if isinstance(fields, Violation) else fields
