"""Let today's writers write one of everything, from inputs that never change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from chassis.kafka import Record
from chassis.vault import Vault
from deliverer.disabling import disabled
from deliverer.endpoints import decode_entry
from deliverer.policy.items import (
    AttemptLog,
    DeadLetter,
    Delivery,
    FailingState,
    LaneState,
    Park,
    TickSnapshot,
    WindowState,
)
from deliverer.records import TopicNames, quarantined, read_delivery, tick_records
from fanout.dedupe import DedupeWindow
from fanout.directory import Directory
from fanout.index import interest_of
from fanout.plan import Planner
from gateway.api_keys import KeyBody, create_key, make_token
from gateway.bodies import SubscriptionBody
from gateway.event_types import EventTypeBody, put_event_type
from gateway.kafka_registry import encode_change
from gateway.sending import EventsTopic
from gateway.subscribers import SubscriberBody, put_subscriber
from gateway.subscriptions import create
from schemas.dead_letter import DeadLetterReason
from schemas.event import Event, Violation
from schemas.event_types import EventTypeCatalogue
from schemas.outcome import Outcome
from schemas.quarantine import QuarantineReason
from schemas.subscribers import subscriber_key
from schemas.topics import topic_name
from tests.registry_keys import api_key_key, event_type_key

NOW_MS = 1_780_000_000_000
VAULT = Vault([("k1", b"k" * 32)])
NAMES = TopicNames.of("hooklane")
SUBSCRIPTION = "sub_01jgfjjpz7a1p9h2z3a4b5c6d7"
Headers = Sequence[tuple[str, bytes]]


@dataclass
class Arrived:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def arrived(record: Record, *, offset: int = 40) -> Arrived:
    """Let a record arrive at an offset."""
    return Arrived(
        record.topic, record.partition, offset, NOW_MS, record.key, record.value, record.headers
    )


def everything() -> dict[str, list[Record]]:
    """Return what is written today, by topic without its prefix."""
    registry = _registry()
    event = EventsTopic("hooklane.events", 1).record_of(_event())
    planner = planner_of(registry[0])
    deliveries = list(planner.plan(arrived(event, offset=7), registry_offset=17).records)
    junk = Record("hooklane.events", 0, b"acme", b"{}", [("ce_id", b"1")])
    aside = list(planner.plan(arrived(junk, offset=8), registry_offset=17).records)
    violation = Violation(QuarantineReason.BAD_JSON, "header delivery cannot be read")
    aside.append(quarantined(arrived(junk), violation, topics=NAMES))
    written = _tick(read_delivered(deliveries[0]))
    return {
        "events": [event],
        "deliveries": deliveries,
        "registry": registry,
        "quarantine": aside,
        **{name: [r for r in written if r.topic == topic] for name, topic in _outputs()},
    }


def read_delivered(record: Record) -> Delivery:
    """Read a record of `deliveries` as the deliverer does."""
    delivery = read_delivery(arrived(record))
    assert isinstance(delivery, Delivery)
    return delivery


def tick_of(*outputs: Park | DeadLetter | AttemptLog) -> list[Record]:
    """Let a deliverer write these outputs and its state."""
    snapshot = TickSnapshot(
        tick=9,
        term=4,
        outputs=list(outputs),
        lanes=[
            (f"{SUBSCRIPTION}/0", LaneState(40, [], (40, 2), NOW_MS)),
            (f"{SUBSCRIPTION}/1", LaneState(36, [(37, 39)], None, NOW_MS)),
        ],
        window=WindowState(41, [(43, 45)], [(n, [(n + 1, n + 2)]) for n in range(6)]),
        failing=[(SUBSCRIPTION, FailingState(NOW_MS, 3, NOW_MS + 60_000))],
    )
    return tick_records(snapshot, partition=0, topics=NAMES, now_ms=NOW_MS)


def planner_of(subscription: Record) -> Planner:
    """Make a planner that knows one subscription, as its registry record says it."""
    directory = Directory()
    entry = decode_entry(subscription.key or b"", subscription.value or b"")
    assert entry.subscription is not None
    directory.change(subscription.key or b"", interest_of(entry.subscription), appended_at=0)
    return Planner(
        partition=0,
        partitions=1,
        topic_of=partial(topic_name, "hooklane"),
        directory=directory,
        event_types=EventTypeCatalogue(),
        window=DedupeWindow(span_ms=10_000, events_max=100, bytes_max=1_000_000),
    )


def _outputs() -> Iterable[tuple[str, str]]:
    yield "retry.5s", NAMES.tiers[0]
    yield "dead-letters", NAMES.dead_letters
    yield "attempts", NAMES.attempts
    yield "lanes", NAMES.lanes


def _tick(delivery: Delivery) -> list[Record]:
    failed, gone = Outcome.HTTP_5XX, DeadLetterReason.EXHAUSTED
    return tick_of(
        Park(delivery, 0, 2, NOW_MS + 5_000, NOW_MS, failed, 503, NOW_MS),
        DeadLetter(delivery, gone, 10, NOW_MS, NOW_MS + 1, failed, 503, b"try later"),
        AttemptLog(delivery, 1, "first", failed, 503, NOW_MS, 12, NOW_MS + 5_000, None),
        AttemptLog(delivery, 2, "retry", Outcome.TIMEOUT, None, NOW_MS, 15_000, None, "no answer"),
    )


def _event() -> Event:
    return Event(
        subscriber="acme",
        id="order-1",
        source="/shop",
        type="order.paid",
        time="2026-01-02T03:04:05.678Z",
        subject="order/1",
        dataschema="https://example.com/order.json",
        datacontenttype="application/json",
        extensions={"orderingkey": "customer-7", "region": "eu"},
        data=b'{"amount": 4200}',
    )


def _registry() -> list[Record]:
    """Write a subscription, the same disabled, a subscriber, an event type and a key."""
    body = SubscriptionBody(
        url="https://hooks.example.com/in",
        event_types=["order.*"],
        filter={"data.amount": {"$gte": 100}},
        headers={"X-Shop": "acme"},
        description="orders",
        metadata={"team": "billing"},
        secret="whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )
    change = create(body, subscriber="acme", subscription_id=SUBSCRIPTION, now_ms=NOW_MS)
    key, value, _ = encode_change(change, VAULT)
    off = disabled(decode_entry(key, value), reason="gone", now_ms=NOW_MS)
    told = {"version": 1, "current": None, "now_ms": NOW_MS}
    shop = put_subscriber(SubscriberBody(name="Acme"), subscriber="acme", **told)  # type: ignore[arg-type]  # the same three everywhere
    kind = EventTypeBody(schema={"type": "object"}, validation="warn")
    paid = put_event_type(kind, name="order.paid", **told)  # type: ignore[arg-type]
    name = "key_01jgfjjpz7a1p9h2z3a4b5c6d7"
    api_key = create_key(
        KeyBody(name="shop", scopes=["events:write"]),
        key_id=name,
        token=make_token(name, b"0" * 32),
        now_ms=NOW_MS,
    )
    written = [
        (key, value),
        (key, off),
        (subscriber_key("acme"), orjson.dumps(shop)),
        (event_type_key("order.paid"), orjson.dumps(paid)),
        (api_key_key(name), orjson.dumps(api_key)),
    ]
    return [Record("hooklane.registry", 0, k, v, ()) for k, v in written]
