"""The largest event there may be, through every topic (row B337 of the catalogue)."""

from collections.abc import Sequence

from chassis.kafka import RECORD_BYTES_MAX, Record, record_bytes
from deliverer.policy.items import DeadLetter, Delivery, Park, TickSnapshot, WindowState
from deliverer.records import masked, read_delivery, tick_records
from schemas.cloudevents import encode_event
from schemas.dead_letter import DeadLetterReason
from schemas.event import ATTRIBUTE_BYTES_MAX, DATA_BYTES_MAX, Event, check_event
from tests.fakes.deliverer import NAMES, FakeRecord
from tests.fakes.fanout import FakeReceived
from tests.unit.fanout.events import NOW_MS, put, subscription
from tests.unit.fanout.test_plan import Desk

SUBSCRIBER = "s" * 128
FULL = {f"extension{n:011}": "ü" * 3_780 for n in range(4)}


def largest() -> Event:
    """Make an event to which nothing could be added."""
    event = Event(
        subscriber=SUBSCRIBER,
        id="i" * 256,
        source="/" * 512,
        type="t" * 256,
        extensions={**FULL, "orderingkey": "k" * 256},
        data=b"\xff" * DATA_BYTES_MAX,
    )
    assert check_event(event) is None
    return event


def delivery_of(event: Event) -> Delivery:
    """Fan the event out, and read what the deliverer reads."""
    desk = Desk()
    put(desk.directory, subscription(subscriber=SUBSCRIBER), subscriber=SUBSCRIBER)
    value, headers = encode_event(event)
    record = FakeReceived(
        "hooklane.events", 0, 0, NOW_MS, SUBSCRIBER.encode(), value, list(headers)
    )
    (planned,) = desk.planner.plan(record, registry_offset=0).records
    assert planned.topic == "p.deliveries"
    delivery = read_delivery(FakeRecord(0, planned.key, planned.value, planned.headers))
    assert isinstance(delivery, Delivery)
    return delivery


def written(outputs: Sequence[Park | DeadLetter]) -> list[Record]:
    """Give the records of a tick, but for its window."""
    snapshot = TickSnapshot(
        tick=1,
        term=1,
        outputs=list(outputs),
        lanes=[],
        window=WindowState(0, [], []),
    )
    return tick_records(snapshot, partition=0, topics=NAMES, now_ms=NOW_MS)[:-1]


def test_the_largest_event_fits_each_delay_topic_and_the_dead_letters() -> None:
    """What grows on the way is small: a failed delivery can always be written."""
    delivery = delivery_of(largest())
    answer = masked(b"\x00" * 4_096, [])
    parks = [
        Park(delivery, tier, 99, NOW_MS, NOW_MS, "connection_lost", 599, NOW_MS)
        for tier in range(len(NAMES.tiers))
    ]
    letter = DeadLetter(
        delivery, DeadLetterReason.EXHAUSTED, 99, NOW_MS, NOW_MS, "connection_lost", 599, answer
    )

    records = written([*parks, letter])

    assert [record.topic for record in records] == [*NAMES.tiers, NAMES.dead_letters]
    assert {len(record.value or b"") for record in records} == {DATA_BYTES_MAX}
    assert max(record_bytes(record) for record in records) < RECORD_BYTES_MAX // 2


def test_one_byte_more_is_set_aside_at_the_door() -> None:
    """A producer that fills a Kafka record gets a stub with its place, which always fits."""
    event = largest()
    value, headers = encode_event(event)
    desk = Desk()
    plans = []
    for data in ((value or b"") + b"x", b"\xff" * 1_048_400):
        record = FakeReceived(
            "hooklane.events", 0, 7, NOW_MS, SUBSCRIBER.encode(), data, list(headers)
        )
        plans.append(desk.planner.plan(record, registry_offset=0))
    too_many = {**event.extensions, "more": "x" * ATTRIBUTE_BYTES_MAX}

    assert [plan.reason for plan in plans] == ["too_large", "too_large"]
    for plan in plans:
        (aside,) = plan.records
        assert aside.topic == "p.quarantine"
        assert record_bytes(Record("t", 0, aside.key, aside.value)) <= RECORD_BYTES_MAX
    assert check_event(Event(subscriber="a", id="1", source="/", type="t", extensions=too_many))
