"""Write the deliveries of one event: a record for each subscription that gets it. Pure.

They differ in one header only. All else is made once for the event: the attributes, and what stands
around a subscription's own part in the envelope.
"""

from collections.abc import Sequence

from chassis.kafka import Record, framed_bytes
from fanout.index import Row
from fanout.received import Headers, Received
from schemas.delivery import (
    DELIVERY_HEADER,
    TEST_PART,
    DeliveryKind,
    envelope_target,
    lane_part,
)
from schemas.event import Event

_FIXED_BYTES = len(DELIVERY_HEADER) + len("content-typeapplication/json")
"""What stands in no event: the name of the header, the type of a document's data if it has none."""


def write_deliveries(
    record: Received,
    event: Event,
    rows: Sequence[Row],
    *,
    topic: str,
    attributes: Headers,
    ends: tuple[bytes, bytes],
    size_bytes: int,
) -> tuple[list[Record], int]:
    """Return the records of at least one row, and what they take in the log at most.

    `ends` is what stands around the part of a subscription in an envelope (`envelope_ends`);
    `size_bytes` is the event's `size_of`, which data and attributes do not exceed. Each record fits
    a batch: the bounds of an event (`schemas.event`) are far below.
    """
    kind: DeliveryKind = "first" if event.target is None else _kind_of(event)
    part = TEST_PART if kind == "test" else lane_part(event.ordering_key)
    partition, key, data = record.partition, record.key, event.data
    head, tail = ends
    records = []
    envelopes_bytes = 0
    for row in rows:
        envelope = head + envelope_target(row.id, row.lane_epoch, part, kind) + tail
        envelopes_bytes += len(envelope)
        headers = [(DELIVERY_HEADER, envelope), *attributes]
        records.append(Record(topic, partition, key, data, headers))
    shared_bytes = framed_bytes(size_bytes + _FIXED_BYTES, headers=1 + len(attributes))
    return records, shared_bytes * len(records) + envelopes_bytes


def _kind_of(event: Event) -> DeliveryKind:
    """Return the kind of what names its target; nothing else is a test or a replay."""
    match event.kind:
        case "test":
            return "test"
        case "replay":
            return "replay"
    return "first"
