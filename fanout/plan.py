"""Decide what one record of `events` becomes: deliveries, a quarantine record, or nothing.

Pure: the same records in the same order over the same registry give the same plans, which is what
makes a takeover after a crash continue exactly where the last committed tick ended.

An event that breaks its schema takes its identity all the same. A takeover rebuilds the window from
the log and cannot know what the schema was then: if violations took none, an event sent again after
its schema was relaxed would be delivered or dropped as a duplicate, depending on who took over.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from chassis.kafka import Record, record_bytes
from fanout.dedupe import DedupeWindow, Sighting, content_of, identity_of
from fanout.deliveries import write_deliveries
from fanout.directory import Directory
from fanout.index import Row
from fanout.received import Headers, Received, size_of
from schemas.cloudevents import attribute_headers, decode_event
from schemas.delivery import envelope_ends
from schemas.event import Event, Violation
from schemas.event_types import SchemaMode, SchemaViolation
from schemas.filters import EventView
from schemas.ids import event_digest, webhook_id_of
from schemas.plain_events import read_plain
from schemas.quarantine import Coordinates, QuarantineReason, RawRecord, quarantine_record
from schemas.topics import partition_of

ENABLED_TOLERANCE_MS = 1_000
QUARANTINE_KEY_BYTES_MAX = 256

TopicOf = Callable[[str], str]


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


class Plan(msgspec.Struct, frozen=True):
    """What becomes of one event: records on its own partition, and a bound of their size.

    `schema_mode` is set when it breaks the schema of its type; `is_costly` says that a filter asked
    for more array elements than one event may cost, and so did not match.
    """

    result: Result
    records: Sequence[Record] = ()
    size_bytes: int = 0
    reason: QuarantineReason | None = None
    schema_mode: SchemaMode | None = None
    is_costly: bool = False


class Fingerprint(NamedTuple):
    """What the dedupe window keeps of an event."""

    identity: int
    content: int
    at_ms: int
    size_bytes: int


class Planner:
    """Plans the events of one partition in log order."""

    def __init__(
        self,
        *,
        partition: int,
        partitions: int,
        topic_of: TopicOf,
        directory: Directory,
        event_types: EventTypes,
        window: DedupeWindow,
    ) -> None:
        self._partition = partition
        self._partitions = partitions
        self._deliveries_topic = topic_of("deliveries")
        self._quarantine_topic = topic_of("quarantine")
        self._directory = directory
        self._event_types = event_types
        self._window = window

    @property
    def remembered(self) -> int:
        """Return how many events the dedupe window holds."""
        return len(self._window)

    def plan(
        self, record: Received, *, registry_offset: int, size_bytes: int | None = None
    ) -> Plan:
        """Decide about a record; `registry_offset` is how far the directory has read.

        `size_bytes` is the record's `size_of`, when it is known already.
        """
        reading = self._read(record)
        if isinstance(reading, Violation):
            return self._quarantined(record, reading)
        event, attributes = reading
        if size_bytes is None:
            size_bytes = size_of(record)
        mode: SchemaMode | None = None
        digest = event_digest(event.subscriber, event.source, event.id)
        # What names its target (test, redrive, replay) repeats on purpose what was judged before.
        if event.target is None:
            sighting = self._window.see(
                identity_of(digest),
                content_of(event),
                at_ms=record.timestamp,
                size_bytes=size_bytes,
            )
            if sighting is Sighting.DUPLICATE:
                return Plan(Result.DUPLICATE)
            if sighting is Sighting.CONFLICT:
                detail = "an event of this source and id came before with other content"
                return self._quarantined(record, Violation(QuarantineReason.CONFLICT, detail))
            if violations := self._event_types.violations(event):
                mode = violations[0].mode
                if mode == "enforce":
                    return self._broken_schema(record, violations)
        rows, is_costly = self._takers(event, appended_at=record.timestamp)
        if not rows:
            return Plan(Result.UNMATCHED, schema_mode=mode, is_costly=is_costly)
        records, log_bytes = write_deliveries(
            record,
            event,
            rows,
            topic=self._deliveries_topic,
            attributes=attributes,
            ends=envelope_ends(webhook_id_of(digest), record.timestamp, registry_offset),
            size_bytes=size_bytes,
        )
        return Plan(Result.MATCHED, records, log_bytes, schema_mode=mode, is_costly=is_costly)

    def _read(self, record: Received) -> tuple[Event, Headers] | Violation:
        """Read a record that lies where its subscriber's registry is.

        The headers are those that carry its attributes on.
        """
        key, headers = record.key, record.headers
        event = read_plain(key, record.value, headers)
        if event is None:
            found = decode_event(key, record.value, headers)
            if isinstance(found, Violation):
                return found
            event, headers = found, attribute_headers(found)
        if partition_of(key or b"", self._partitions) != self._partition:
            detail = "the key belongs to another partition: set partitioner=murmur2_random"
            return Violation(QuarantineReason.WRONG_PARTITION, detail)
        return event, headers

    def remember(self, seen: Fingerprint) -> Sighting:
        """Enter an event into the dedupe window."""
        return self._window.see(
            seen.identity, seen.content, at_ms=seen.at_ms, size_bytes=seen.size_bytes
        )

    def fingerprint_of(self, record: Received) -> Fingerprint | None:
        """Return what the window keeps of a record, None when it keeps nothing of it."""
        reading = self._read(record)
        if isinstance(reading, Violation) or reading[0].target is not None:
            return None
        event, _ = reading
        digest = event_digest(event.subscriber, event.source, event.id)
        return Fingerprint(
            identity_of(digest), content_of(event), record.timestamp, size_of(record)
        )

    def _takers(self, event: Event, *, appended_at: int) -> tuple[Sequence[Row], bool]:
        """Return the subscriptions that get the event, and whether a filter would cost too much.

        One that was enabled more than a second after the event was accepted does not get it
        (PROTOCOL R3): what waited while it was disabled is dropped.
        """
        index = self._directory.index_of(event.subscriber)
        enabled_by = appended_at + ENABLED_TOLERANCE_MS
        if event.target is not None:  # overrides types and filter
            target = index.get(event.target)
            is_taken = target is not None and target.is_enabled and target.enabled_at <= enabled_by
            return ((target,) if target is not None and is_taken else ()), False
        rows, enabled_at_max, has_filters = index.audience(event.type)
        if enabled_at_max > enabled_by:
            rows = tuple(row for row in rows if row.enabled_at <= enabled_by)
        return _wanting(rows, event) if has_filters else (rows, False)

    def _quarantined(self, record: Received, violation: Violation) -> Plan:
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
        key = key if is_key_small else None
        aside = Record(self._quarantine_topic, self._partition, key, stub.encode(), [])
        return Plan(Result.QUARANTINED, (aside,), record_bytes(aside), violation.reason)

    def _broken_schema(self, record: Received, violations: Sequence[SchemaViolation]) -> Plan:
        detail = "; ".join(f"data{fault.pointer} {fault.detail}" for fault in violations)
        aside = self._quarantined(record, Violation(QuarantineReason.SCHEMA_VIOLATION, detail))
        return msgspec.structs.replace(aside, schema_mode="enforce")


def _wanting(rows: Sequence[Row], event: Event) -> tuple[Sequence[Row], bool]:
    """Keep the rows whose filters want the event."""
    view = EventView(event)
    kept = [row for row in rows if row.wanted is None or row.wanted.matches(view)]
    return kept, view.refusals > 0
