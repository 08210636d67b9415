"""Tests of the records that one event becomes."""

import msgspec
import pytest

from chassis.kafka import Record, record_bytes
from fanout.deliveries import write_deliveries
from fanout.index import Row
from schemas.delivery import DeliveryEnvelope, decode_delivery, envelope_ends, lane_key
from schemas.event import Event
from tests.unit.fanout.events import NOW_MS, received

ROWS = [Row("sub_1", 3, True, 0, ("*",)), Row('sub_"2', 0, True, 0, ("*",))]
ATTRIBUTES = [("ce_id", b"1"), ("ce_type", b"t")]


def _written(*rows: Row, **fields: object) -> tuple[list[Record], int]:
    event = Event(subscriber="acme", id="1", source="/s", type="t", data=b"{}", **fields)  # type: ignore[arg-type]  # passed through
    return write_deliveries(
        received(),
        event,
        rows,
        topic="p.d",
        attributes=ATTRIBUTES,
        ends=envelope_ends("msg_1", NOW_MS, 17),
        size_bytes=100,
    )


@pytest.mark.parametrize("ordering_key", [None, "customer-7"])
def test_each_subscription_has_its_own_envelope(ordering_key: str | None) -> None:
    """All else is the same: topic, key, data and attributes."""
    extensions = {} if ordering_key is None else {"orderingkey": ordering_key}

    records, size_bytes = _written(*ROWS, extensions=extensions)

    assert sum(record_bytes(record) for record in records) < size_bytes < 1_000
    for row, record in zip(ROWS, records, strict=True):
        assert msgspec.structs.replace(record, headers=()) == Record("p.d", 0, b"acme", b"{}")
        assert list(record.headers[1:]) == ATTRIBUTES
        assert decode_delivery(record.headers) == DeliveryEnvelope(
            webhook_id="msg_1",
            lane=lane_key(row.id, row.lane_epoch, ordering_key),
            subscription=row.id,
            kind="first",
            accepted_at=NOW_MS,
            registry_offset=17,
        )


@pytest.mark.parametrize(
    ("fields", "kind", "lane"),
    [
        ({"kind": "test"}, "first", "sub_1/3"),
        ({"target": "sub_1"}, "first", "sub_1/3"),
        ({"target": "sub_1", "kind": "replay"}, "replay", "sub_1/3"),
        ({"target": "sub_1", "kind": "test"}, "test", "sub_1/3/test"),
    ],
)
def test_only_what_names_its_target_is_a_test_or_a_replay(
    fields: dict[str, object], kind: str, lane: str
) -> None:
    """A test goes beside the lanes in which events wait."""
    ((record,), _) = _written(ROWS[0], **fields)

    envelope = decode_delivery(record.headers)
    assert isinstance(envelope, DeliveryEnvelope)
    assert (envelope.kind, envelope.lane) == (kind, lane)
