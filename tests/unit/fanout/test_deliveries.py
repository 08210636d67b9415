"""Tests of the records that one event becomes."""

import pytest

from chassis.kafka import record_bytes
from fanout.deliveries import Origin, write_deliveries
from fanout.index import Row
from schemas.delivery import DeliveryEnvelope, decode_delivery, lane_key
from schemas.event import Event
from tests.unit.fanout.events import NOW_MS, received

ROWS = [Row("sub_1", 3, True, 0, ("*",)), Row('sub_"2', 0, True, 0, ("*",))]
ATTRIBUTES = [("ce_id", b"1"), ("ce_type", b"t")]


def _origin(**fields: object) -> Origin:
    event = Event(subscriber="acme", id="1", source="/s", type="t", data=b"{}", **fields)  # type: ignore[arg-type]  # passed through
    return Origin(received(offset=7), event, ATTRIBUTES, "msg_1", 17)


@pytest.mark.parametrize("ordering_key", [None, "customer-7"])
def test_each_subscription_has_its_own_envelope(ordering_key: str | None) -> None:
    """All else is the same: topic, key, data and attributes."""
    extensions = {} if ordering_key is None else {"orderingkey": ordering_key}

    records, size_bytes = write_deliveries(_origin(extensions=extensions), ROWS, topic="p.d")

    assert size_bytes == sum(record_bytes(record) for record in records)
    for row, record in zip(ROWS, records, strict=True):
        assert record[:4] == ("p.d", 0, b"acme", b"{}")
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
    ((record,), _) = write_deliveries(_origin(**fields), ROWS[:1], topic="p.d")

    envelope = decode_delivery(record.headers)
    assert isinstance(envelope, DeliveryEnvelope)
    assert (envelope.kind, envelope.lane) == (kind, lane)
