"""Write the deliveries of one event: a record for each subscription that gets it. Pure.

They differ in one header only. All else is made once for the event: the attributes, and what stands
around a subscription's own part in the envelope.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chassis.kafka import Record, record_bytes
from fanout.index import Row
from fanout.received import Headers, Received
from schemas.delivery import (
    DELIVERY_HEADER,
    TEST_PART,
    DeliveryKind,
    envelope_ends,
    envelope_target,
    lane_part,
)
from schemas.event import Event


class Origin(NamedTuple):
    """What all deliveries of an event have from it and from the moment it was matched."""

    record: Received
    event: Event
    attributes: Headers
    webhook_id: str
    registry_offset: int


def write_deliveries(
    origin: Origin, rows: Sequence[Row], *, topic: str
) -> tuple[list[Record], int]:
    """Return the records of at least one row, and what they take in the log at most.

    Each fits a batch: the bounds of an event (`schemas.event`) are far below.
    """
    record, event, attributes, webhook_id, registry_offset = origin
    kind = _kind_of(event)
    part = TEST_PART if kind == "test" else lane_part(event.ordering_key)
    head, tail = envelope_ends(webhook_id, record.timestamp, registry_offset)
    envelopes = [head + envelope_target(row.id, row.lane_epoch, part, kind) + tail for row in rows]
    partition, key, data = record.partition, record.key, event.data
    records = [
        Record(topic, partition, key, data, [(DELIVERY_HEADER, envelope), *attributes])
        for envelope in envelopes
    ]
    shared_bytes = record_bytes(records[0]) - len(envelopes[0])
    return records, shared_bytes * len(envelopes) + sum(map(len, envelopes))


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
