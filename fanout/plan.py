"""Decide what one record of `events` becomes: deliveries, a quarantine record, or nothing.

Pure: the same records in the same order over the same registry give the same plans, which is what
makes a takeover after a crash continue exactly where the last committed tick ended.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

import msgspec

from fanout.dedupe import DedupeWindow, Sighting, content_of, identity_of
from fanout.directory import Directory
from fanout.index import Row
from schemas.cloudevents import attribute_headers, decode_event
from schemas.delivery import (
    DELIVERY_HEADER,
    DeliveryEnvelope,
    DeliveryKind,
    encode_delivery,
    lane_key,
    trial_lane_key,
)
from schemas.event import Event, Violation
from schemas.event_types import SchemaMode, SchemaViolation
from schemas.filters import EventView
from schemas.ids import event_digest, webhook_id_of
from schemas.quarantine import Coordinates, QuarantineReason, RawRecord, quarantine_record
from schemas.topics import partition_of

ENABLED_TOLERANCE_MS = 1_000
QUARANTINE_KEY_BYTES_MAX = 256

Headers = Sequence[tuple[str, bytes]]


class Received(Protocol):
    """A record as the broker gave it; `timestamp` is its append time (epoch ms)."""

    @property
    def topic(self) -> str: ...  # noqa: D102  # the names of Kafka say it
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Headers: ...  # noqa: D102


class Result(StrEnum):
    """What became of an event; a metric label."""

    MATCHED = "matched"
    UNMATCHED = "unmatched"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


class EventTypes(Protocol):
    """The part of schemas.event_types.EventTypeCatalogue that is used here."""

    def violations(self, event: Event) -> Sequence[SchemaViolation]:
        """Return where an event breaks the schema of its type."""


class PlannedRecord(NamedTuple):
    """A record to append on the event's own partition."""

    suffix: Literal["deliveries", "quarantine"]
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Plan(msgspec.Struct, frozen=True):
    """What becomes of one event.

    `schema_mode` is set when it breaks the schema of its type; `is_costly` says that a filter asked
    for more array elements than one event may cost, and so did not match.
    """

    result: Result
    records: Sequence[PlannedRecord] = ()
    reason: QuarantineReason | None = None
    schema_mode: SchemaMode | None = None
    is_costly: bool = False


class Fingerprint(NamedTuple):
    """What the dedupe window keeps of an event."""

    identity: int
    content: int
    at_ms: int
    size_bytes: int


class Origin(NamedTuple):
    """What all deliveries of an event have from it and from the moment it was matched."""

    record: Received
    webhook_id: str
    registry_offset: int


class Planner:
    """Plans the events of one partition in log order."""

    def __init__(
        self,
        *,
        partition: int,
        partitions: int,
        directory: Directory,
        event_types: EventTypes,
        window: DedupeWindow,
    ) -> None:
        self._partition = partition
        self._partitions = partitions
        self._directory = directory
        self._event_types = event_types
        self._window = window

    def plan(self, record: Received, *, registry_offset: int) -> Plan:
        """Decide about a record; `registry_offset` is how far the directory has read."""
        event = self.read(record)
        if isinstance(event, Violation):
            return quarantined(record, event)
        mode: SchemaMode | None = None
        digest = event_digest(event.subscriber, event.source, event.id)
        # What names its target (test, redrive, replay) repeats on purpose what was judged before.
        if event.target is None:
            sighting = self.remember(fingerprint(event, record, digest))
            if sighting is Sighting.DUPLICATE:
                return Plan(Result.DUPLICATE)
            if sighting is Sighting.CONFLICT:
                detail = "an event of this source and id came before with other content"
                return quarantined(record, Violation(QuarantineReason.CONFLICT, detail))
            if violations := self._event_types.violations(event):
                mode = violations[0].mode
                if mode == "enforce":
                    return _broken_schema(record, violations)
        rows = self._rows_for(event, appended_at=record.timestamp)
        rows, is_costly = _wanting(rows, event)
        if not rows:
            return Plan(Result.UNMATCHED, schema_mode=mode, is_costly=is_costly)
        origin = Origin(record, webhook_id_of(digest), registry_offset)
        deliveries = _deliveries(event, rows, origin)
        return Plan(Result.MATCHED, deliveries, schema_mode=mode, is_costly=is_costly)

    def read(self, record: Received) -> Event | Violation:
        """Read a record and check that it lies where its subscriber's registry is."""
        event = decode_event(record.key, record.value, record.headers)
        if (
            isinstance(event, Event)
            and partition_of(event.subscriber.encode(), self._partitions) != self._partition
        ):
            detail = "the key belongs to another partition: set partitioner=murmur2_random"
            return Violation(QuarantineReason.WRONG_PARTITION, detail)
        return event

    def remember(self, seen: Fingerprint) -> Sighting:
        """Enter an event into the dedupe window."""
        return self._window.see(
            seen.identity, seen.content, at_ms=seen.at_ms, size_bytes=seen.size_bytes
        )

    def fingerprint_of(self, record: Received) -> Fingerprint | None:
        """Return what the window keeps of a record, None when it keeps nothing of it."""
        event = self.read(record)
        if isinstance(event, Violation) or event.target is not None:
            return None
        digest = event_digest(event.subscriber, event.source, event.id)
        return fingerprint(event, record, digest)

    def _rows_for(self, event: Event, *, appended_at: int) -> list[Row]:
        """Return the subscriptions that get the event.

        One that was enabled more than a second after the event was accepted does not (PROTOCOL R3):
        what waited while it was disabled is dropped.
        """
        index = self._directory.index_of(event.subscriber)
        if event.target is None:
            rows: Sequence[Row] = index.match(event.type)
        else:
            target = index.get(event.target)
            rows = (target,) if target is not None and target.is_enabled else ()
        return [row for row in rows if row.enabled_at <= appended_at + ENABLED_TOLERANCE_MS]


def _wanting(rows: list[Row], event: Event) -> tuple[list[Row], bool]:
    """Keep the rows whose filters want the event; a target overrides its filter."""
    if event.target is not None or all(row.wanted is None for row in rows):
        return rows, False
    view = EventView(event)
    kept = [row for row in rows if row.wanted is None or row.wanted.matches(view)]
    return kept, view.refusals > 0


def _broken_schema(record: Received, violations: Sequence[SchemaViolation]) -> Plan:
    detail = "; ".join(f"data{fault.pointer} {fault.detail}" for fault in violations)
    aside = quarantined(record, Violation(QuarantineReason.SCHEMA_VIOLATION, detail))
    return msgspec.structs.replace(aside, schema_mode="enforce")


def quarantined(record: Received, violation: Violation) -> Plan:
    """Set a record aside with its raw bytes."""
    key = record.key
    stub = quarantine_record(
        Coordinates(record.topic, record.partition, record.offset, record.timestamp),
        RawRecord(key, record.headers, record.value),
        stage="fanout",
        reason=violation.reason,
        detail=violation.detail,
    )
    is_key_small = key is not None and len(key) <= QUARANTINE_KEY_BYTES_MAX
    aside = PlannedRecord("quarantine", key if is_key_small else None, stub.encode(), [])
    return Plan(Result.QUARANTINED, (aside,), violation.reason)


def fingerprint(event: Event, record: Received, digest: bytes) -> Fingerprint:
    """Return what the dedupe window keeps of an event, whose `event_digest` is known."""
    size_bytes = size_of(record)
    return Fingerprint(identity_of(digest), content_of(event), record.timestamp, size_bytes)


def size_of(record: Received) -> int:
    """Count the bytes of a record's key, value and headers."""
    size_bytes = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size_bytes += len(name) + len(value or b"")
    return size_bytes


def _deliveries(event: Event, rows: Sequence[Row], origin: Origin) -> list[PlannedRecord]:
    record, identity, registry_offset = origin
    attributes = attribute_headers(event)
    kind = _kind_of(event)
    deliveries = []
    for row in rows:
        envelope = DeliveryEnvelope(
            webhook_id=identity,
            lane=_lane_of(row, event, kind),
            subscription=row.id,
            kind=kind,
            accepted_at=record.timestamp,
            registry_offset=registry_offset,
        )
        headers = [(DELIVERY_HEADER, encode_delivery(envelope)), *attributes]
        deliveries.append(PlannedRecord("deliveries", record.key, event.data, headers))
    return deliveries


def _kind_of(event: Event) -> DeliveryKind:
    """Return the kind of the delivery; only an event with a target is a test or a replay."""
    if event.target is None:
        return "first"
    match event.kind:
        case "test":
            return "test"
        case "replay":
            return "replay"
    return "first"


def _lane_of(row: Row, event: Event, kind: DeliveryKind) -> str:
    if kind == "test":
        return trial_lane_key(row.id, row.lane_epoch)
    return lane_key(row.id, row.lane_epoch, event.ordering_key)
