"""The events of a run are what the rooms really take."""

import json

from bench.workload import DATA, Subscriber, Workload, spread_names
from schemas.cloudevents import decode_event
from schemas.delivery import DeliveryEnvelope, decode_delivery
from schemas.event import Event
from schemas.topics import partition_of

ACME = Subscriber("acme", 3, ("sub_1",))


def test_names_fill_the_partitions_evenly() -> None:
    """A room would look slow if one partition held most of the work."""
    names = spread_names("sub", 8, 4)

    partitions = sorted(partition_of(name.encode(), 4) for name in names)
    assert partitions == [0, 0, 1, 1, 2, 2, 3, 3]


def test_events_decode_and_never_repeat() -> None:
    """A repeated id would be dropped as a duplicate and cost nothing."""
    load = Workload("p")

    records = load.event_records([ACME], 2) + load.event_records([ACME], 1)

    events = [decode_event(one.key, one.value, one.headers) for one in records]
    assert all(isinstance(event, Event) for event in events)
    assert len({event.id for event in events if isinstance(event, Event)}) == 3
    assert {one.partition for one in records} == {3}


def test_deliveries_are_what_fan_out_writes() -> None:
    """The deliverer reads them without quarantine."""
    (record,) = Workload("p").delivery_records([ACME], 1, now_ms=5)

    envelope = decode_delivery(record.headers)

    assert isinstance(envelope, DeliveryEnvelope)
    assert (envelope.subscription, envelope.accepted_at) == ("sub_1", 5)
    assert record.value == DATA


def test_batches_hold_every_document_once() -> None:
    """The last batch is the rest."""
    batches = [json.loads(one) for one in Workload("p").batches([ACME], 5, size=2)]

    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert batches[0][0]["subscriber"] == "acme"
