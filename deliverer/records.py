"""Translate between Kafka records and the policy's vocabulary, pure.

Reading is total: a record that cannot be understood becomes a quarantine record, never an
exception, so one broken record cannot stop its partition.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, cast

import msgspec

from chassis.kafka import Record
from deliverer.policy.items import (
    AttemptLog,
    DeadLetter,
    Delivery,
    FailingState,
    LaneState,
    Park,
    Parked,
    TickSnapshot,
)
from schemas.attempt import AttemptKind, AttemptRecord
from schemas.dead_letter import RESPONSE_BYTES_MAX, DeadLetterEnvelope, DeadLetterReason
from schemas.delivery import (
    DEAD_LETTER_HEADER,
    DELIVERY_HEADER,
    RETRY_HEADER,
    DeliveryKind,
    RetryEnvelope,
    decode_delivery,
    decode_retry,
    encode_retry,
)
from schemas.event import Violation
from schemas.lane_state import (
    WINDOW_KEY,
    FailingRecord,
    Held,
    LaneRecord,
    TierState,
    WindowRecord,
    failing_key,
)
from schemas.outcome import Outcome
from schemas.quarantine import Coordinates, QuarantineReason, RawRecord, quarantine_record
from schemas.rfc3339 import format_ms
from schemas.topics import TIERS, topic_name

Headers = Sequence[tuple[str, bytes]]

# What a queued record costs beyond its bytes: the objects that hold it, measured on CPython 3.11.
RECORD_OVERHEAD_BYTES = 1024
MASK = "***"
MASKED_CHARS_MIN = 4
_KINDS = {kind.value: kind for kind in AttemptKind}
_OWN_HEADERS = frozenset({DELIVERY_HEADER, RETRY_HEADER, DEAD_LETTER_HEADER})


class Received(Protocol):
    """The part of a fetched record that is read here."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def headers(self) -> Headers: ...  # noqa: D102  # the name says it


class TopicNames(msgspec.Struct, frozen=True):
    """Full names of the topics one deployment's deliverer reads and writes."""

    deliveries: str
    tiers: tuple[str, ...]
    lanes: str
    attempts: str
    dead_letters: str
    quarantine: str
    registry: str

    @classmethod
    def of(cls, prefix: str) -> "TopicNames":
        """Name the topics below a prefix."""
        return cls(
            deliveries=topic_name(prefix, "deliveries"),
            tiers=tuple(topic_name(prefix, tier.suffix) for tier in TIERS),
            lanes=topic_name(prefix, "lanes"),
            attempts=topic_name(prefix, "attempts"),
            dead_letters=topic_name(prefix, "dead-letters"),
            quarantine=topic_name(prefix, "quarantine"),
            registry=topic_name(prefix, "registry"),
        )


def read_delivery(record: Received) -> Delivery | Violation:
    """Read a record of `deliveries`."""
    envelope = decode_delivery(record.headers)
    if isinstance(envelope, Violation):
        return envelope
    if record.key is None:
        return Violation(QuarantineReason.NO_KEY, "a delivery has no key")
    return Delivery(
        sequence=record.offset,
        lane=envelope.lane,
        subscription=envelope.subscription,
        webhook_id=envelope.webhook_id,
        kind=envelope.kind,
        accepted_at=envelope.accepted_at,
        registry_offset=envelope.registry_offset,
        size=record_size(record),
        record=record,
    )


def read_parked(tier: int, record: Received) -> Parked | Violation:
    """Read a record of a delay topic."""
    envelope = decode_retry(record.headers)
    if isinstance(envelope, Violation):
        return envelope
    if record.key is None:
        return Violation(QuarantineReason.NO_KEY, "a parked delivery has no key")
    delivery = Delivery(
        sequence=envelope.sequence,
        lane=envelope.lane,
        subscription=envelope.subscription,
        webhook_id=envelope.webhook_id,
        kind=envelope.kind,
        accepted_at=envelope.accepted_at,
        registry_offset=envelope.registry_offset,
        size=record_size(record),
        record=record,
    )
    return Parked(
        delivery=delivery,
        tier=tier,
        offset=record.offset,
        appended_at=record.timestamp,
        attempt=envelope.attempt,
        due_at=envelope.due_at,
        term=envelope.term,
        first_attempt_at=envelope.first_attempt_at,
        last_outcome=envelope.last_outcome,
        last_status=envelope.last_status,
        last_attempt_at=envelope.last_attempt_at,
    )


def record_size(record: Received) -> int:
    """Count what a record costs in memory, roughly: bytes plus the objects round them."""
    size = len(record.value or b"") + RECORD_OVERHEAD_BYTES
    for _, value in record.headers:
        size += len(value or b"")
    return size


def quarantined(record: Received, violation: Violation, *, topics: TopicNames) -> Record:
    """Set a record aside that this deliverer cannot read."""
    value = quarantine_record(
        Coordinates(record.topic, record.partition, record.offset, record.timestamp),
        RawRecord(record.key, record.headers, record.value),
        stage="deliverer",
        reason=violation.reason,
        detail=violation.detail,
    )
    return Record(topics.quarantine, record.partition, record.key, value.encode(), ())


def tick_records(
    snapshot: TickSnapshot, *, partition: int, topics: TopicNames, now_ms: int
) -> list[Record]:
    """Turn a tick into the records of its transaction; `$window` comes last."""
    records = [
        _output_record(
            output, term=snapshot.term, partition=partition, topics=topics, now_ms=now_ms
        )
        for output in snapshot.outputs
    ]
    for lane, state in snapshot.lanes:
        value = None if state is None else _lane_record(state).encode()
        records.append(Record(topics.lanes, partition, lane.encode(), value, ()))
    for subscription, failing in snapshot.failing:
        value = None if failing is None else _failing_record(failing).encode()
        records.append(Record(topics.lanes, partition, failing_key(subscription), value, ()))
    window = _window_record(snapshot).encode()
    records.append(Record(topics.lanes, partition, WINDOW_KEY, window, ()))
    return records


def masked(response: bytes, secrets: Iterable[str]) -> bytes:
    """Replace a subscription's own secrets and header values in what its receiver answered.

    A receiver that echoes the request must not put them into a topic; one that the bound cuts in
    two is masked, too. Very short values are left: they protect nothing and would tear ordinary
    words apart. At most `RESPONSE_BYTES_MAX` of UTF-8, whatever bytes came.
    """
    text = response[:RESPONSE_BYTES_MAX].decode("utf-8", "replace")
    is_cut = len(response) >= RESPONSE_BYTES_MAX
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MASKED_CHARS_MIN:
            text = text.replace(secret, MASK)
            if is_cut:
                text = _without_begun(text, secret)
    return text.encode()[:RESPONSE_BYTES_MAX].decode("utf-8", "ignore").encode()


def _without_begun(text: str, secret: str) -> str:
    """Mask the beginning of a secret at the very end of a text."""
    for chars in range(len(secret) - 1, MASKED_CHARS_MIN - 1, -1):
        if text.endswith(secret[:chars]):
            return text[:-chars] + MASK
    return text


def _output_record(
    output: Park | DeadLetter | AttemptLog,
    *,
    term: int,
    partition: int,
    topics: TopicNames,
    now_ms: int,
) -> Record:
    if isinstance(output, AttemptLog):  # nearly all are
        return _attempt_record(output, partition=partition, topics=topics)
    if isinstance(output, Park):
        return _park_record(output, term=term, partition=partition, topics=topics)
    return _dead_letter_record(output, partition=partition, topics=topics, now_ms=now_ms)


def _park_record(park: Park, *, term: int, partition: int, topics: TopicNames) -> Record:
    delivery = park.delivery
    envelope = RetryEnvelope(
        webhook_id=delivery.webhook_id,
        lane=delivery.lane,
        subscription=delivery.subscription,
        sequence=delivery.sequence,
        attempt=park.attempt,
        due_at=park.due_at,
        term=term,
        first_attempt_at=park.first_attempt_at,
        last_outcome=park.last_outcome,
        last_status=park.last_status,
        last_attempt_at=park.last_attempt_at,
        kind=cast(DeliveryKind, delivery.kind),
        accepted_at=delivery.accepted_at,
        registry_offset=delivery.registry_offset,
    )
    record = received(delivery)
    headers = [(name, value) for name, value in record.headers if name != RETRY_HEADER]
    headers.append((RETRY_HEADER, encode_retry(envelope)))
    return Record(topics.tiers[park.tier], partition, record.key, record.value, headers)


def _dead_letter_record(
    letter: DeadLetter, *, partition: int, topics: TopicNames, now_ms: int
) -> Record:
    delivery = letter.delivery
    record = received(delivery)
    text = letter.response.decode("utf-8", "replace") if letter.response else ""
    event_id, event_type = _id_and_type(record)
    envelope = DeadLetterEnvelope(
        webhook_id=delivery.webhook_id,
        event_id=event_id,
        subscriber=_subscriber(record),
        subscription=delivery.subscription,
        type=event_type,
        sequence=delivery.sequence,
        reason=DeadLetterReason(letter.reason),
        attempts=letter.attempts,
        first_attempt_at=_time(letter.first_attempt_at),
        last_attempt_at=_time(letter.last_attempt_at),
        last_outcome=None if letter.last_outcome is None else Outcome(letter.last_outcome),
        last_status=letter.last_status,
        response=text or msgspec.UNSET,
        dead_at=format_ms(now_ms),
    )
    headers = [(name, value) for name, value in record.headers if name not in _OWN_HEADERS]
    headers.append((DEAD_LETTER_HEADER, envelope.encode()))
    return Record(topics.dead_letters, partition, record.key, record.value, headers)


def _attempt_record(log: AttemptLog, *, partition: int, topics: TopicNames) -> Record:
    delivery = log.delivery
    record = received(delivery)
    next_at = _time(log.next_attempt_at)
    event_id, event_type = _id_and_type(record)
    value = AttemptRecord(
        webhook_id=delivery.webhook_id,
        event_id=event_id,
        subscriber=_subscriber(record),
        subscription=delivery.subscription,
        type=event_type,
        attempt=log.attempt,
        kind=_KINDS[log.kind],
        outcome=log.outcome,
        status=log.status,
        started_at=format_ms(log.started_at),
        duration_ms=log.duration_ms,
        sequence=delivery.sequence,
        next_attempt_at=msgspec.UNSET if next_at is None else next_at,
        detail=log.detail or msgspec.UNSET,
    )
    return Record(topics.attempts, partition, record.key, value.encode(), ())


def received(delivery: Delivery) -> Received:
    """Return the Kafka record behind a delivery; the policy carries it without looking inside."""
    return delivery.record  # type: ignore[return-value]  # a cast is a call, three per delivery


def _lane_record(state: LaneState) -> LaneRecord:
    held = None if state.held is None else Held(*state.held)
    return LaneRecord(low=state.low, done=list(state.done), held=held, since=state.since)


def _failing_record(state: FailingState) -> FailingRecord:
    return FailingRecord(since=state.since, failures=state.failures, not_before=state.not_before)


def _window_record(snapshot: TickSnapshot) -> WindowRecord:
    window = snapshot.window
    return WindowRecord(
        term=snapshot.term,
        tick=snapshot.tick,
        w=window.w,
        done=list(window.done),
        tiers=[TierState(w, list(done)) for w, done in window.tiers],
    )


def _id_and_type(record: Received) -> tuple[str, str]:
    event_id = event_type = b""
    for header, value in record.headers:
        if header == "ce_id":
            event_id = event_id or value
        elif header == "ce_type":
            event_type = event_type or value
    return event_id.decode("utf-8", "replace"), event_type.decode("utf-8", "replace")


def _subscriber(record: Received) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _time(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else format_ms(epoch_ms)
