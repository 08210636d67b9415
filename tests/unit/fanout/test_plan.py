"""Tests of what one event becomes."""

import orjson
import pytest

from chassis.kafka import RECORD_BYTES_MAX, record_bytes
from fanout.dedupe import DedupeWindow
from fanout.directory import Directory
from fanout.plan import Plan, Planner, Result
from schemas.delivery import DeliveryEnvelope, decode_delivery
from schemas.event import DATA_BYTES_MAX
from schemas.event_types import EventTypeCatalogue
from schemas.ids import webhook_id
from schemas.quarantine import QuarantineReason
from tests.unit.fanout.events import NOW_MS, event_type, put, received, subscription


class Desk:
    """A planner with its directory."""

    def __init__(self, partitions: int = 1) -> None:
        self.directory = Directory()
        self.event_types = EventTypeCatalogue()
        self.window = DedupeWindow(span_ms=10_000, events_max=100, bytes_max=1_000_000)
        self.planner = Planner(
            partition=0,
            partitions=partitions,
            topic_of=lambda suffix: f"p.{suffix}",
            directory=self.directory,
            event_types=self.event_types,
            window=self.window,
        )

    def plan(self, number: int = 1, **fields: object) -> Plan:
        """Plan one record at a registry position of 17."""
        record = received(number, **fields)  # type: ignore[arg-type]  # passed through
        return self.planner.plan(record, registry_offset=17)


@pytest.fixture
def desk() -> Desk:
    """Give a desk with one subscription to everything."""
    desk = Desk()
    put(desk.directory, subscription(lane_epoch=3))
    return desk


def _envelope(plan: Plan, at: int = 0) -> DeliveryEnvelope:
    envelope = decode_delivery(plan.records[at].headers)
    assert isinstance(envelope, DeliveryEnvelope)
    return envelope


def test_a_delivery_carries_data_attributes_and_envelope(desk: Desk) -> None:
    """Everything the deliverer needs stands in the record."""
    plan = desk.plan(value=b' {"a":1.0}', headers=[("ce_subject", b"s"), ("x-other", b"1")])

    record = plan.records[0]
    assert plan.result is Result.MATCHED
    assert (record.topic, record.key, record.value) == ("p.deliveries", b"acme", b' {"a":1.0}')
    assert [name for name, _ in record.headers] == [
        "delivery",
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
    ]
    assert _envelope(plan) == DeliveryEnvelope(
        webhook_id=webhook_id("acme", "/s", "1"),
        lane="sub_1/3",
        subscription="sub_1",
        kind="first",
        accepted_at=NOW_MS,
        registry_offset=17,
    )


def test_an_ordering_key_chooses_a_lane(desk: Desk) -> None:
    """The same key gives the same lane, in the epoch of the subscription."""
    lanes = {
        _envelope(desk.plan(number, headers=[("ce_orderingkey", b"k")])).lane for number in range(3)
    }

    assert len(lanes) == 1
    assert lanes.pop().startswith("sub_1/3/")


def test_each_matching_subscription_gets_one(desk: Desk) -> None:
    """Disabled ones get none, paused ones do."""
    put(desk.directory, subscription("sub_2", status="paused"))
    put(desk.directory, subscription("sub_3", status="disabled"))
    put(desk.directory, subscription("sub_4", event_types=["other"]))

    plan = desk.plan()

    assert {_envelope(plan, at).subscription for at in range(len(plan.records))} == {
        "sub_1",
        "sub_2",
    }


def test_nobody_wants_it(desk: Desk) -> None:
    """An event without takers is counted and gone."""
    assert desk.plan(subscriber="nobody") == Plan(Result.UNMATCHED)


@pytest.mark.parametrize(("late_ms", "result"), [(1000, "matched"), (1001, "unmatched")])
def test_events_accepted_before_the_enabling_are_not_for_it(late_ms: int, result: str) -> None:
    """To within a second (PROTOCOL R3)."""
    desk = Desk()
    put(desk.directory, subscription(enabled_at=None), appended_at=NOW_MS + late_ms)

    assert desk.plan().result.value == result


def test_a_repeat_is_dropped_and_other_content_set_aside(desk: Desk) -> None:
    """The pair (source, id) is the identity inside a subscriber."""
    put(desk.directory, subscription("sub_9", "other"), subscriber="other")
    desk.plan(1)

    assert desk.plan(1).result is Result.DUPLICATE
    assert desk.plan(1, subscriber="other").result is Result.MATCHED
    conflict = desk.plan(1, value=b"other")
    assert conflict.result is Result.QUARANTINED
    assert conflict.reason == "conflict"


def test_an_unmatched_event_is_remembered_too(desk: Desk) -> None:
    """A repeat is a repeat, whoever subscribed meanwhile."""
    desk.plan(1, subscriber="new")
    put(desk.directory, subscription("sub_7", "new"), subscriber="new")

    assert desk.plan(1, subscriber="new").result is Result.DUPLICATE


def test_a_broken_record_is_set_aside_with_its_bytes(desk: Desk) -> None:
    """Stage, reason, place and raw bytes."""
    plan = desk.plan(offset=5, value=b"\xff" * 262_145)

    document = orjson.loads(plan.records[0].value or b"")
    assert plan.reason == "too_large"
    assert plan.records[0].topic == "p.quarantine"
    assert plan.records[0].key == b"acme"
    assert document["stage"] == "fanout"
    assert (document["topic"], document["offset"]) == ("hooklane.events", 5)
    assert len(document["value"]) > 262_145


def test_the_largest_event_fits_a_batch(desk: Desk) -> None:
    """A record above the producer's bound would brick it for ever."""
    four = [("ce_" + name, b"v" * 8_000) for name in "abcd"]

    plan = desk.plan(value=b"x" * DATA_BYTES_MAX, headers=four)

    assert plan.result is Result.MATCHED
    assert DATA_BYTES_MAX + 32_000 < plan.size_bytes < RECORD_BYTES_MAX / 3
    more = desk.plan(2, value=b"x" * DATA_BYTES_MAX, headers=[*four, ("ce_e", b"v" * 800)])
    assert more.reason is QuarantineReason.TOO_LARGE


def test_the_size_of_a_plan_bounds_that_of_its_records(desk: Desk) -> None:
    """A tick is full by it, and its time-out grows with it."""
    put(desk.directory, subscription("sub_with_a_longer_id"))

    plain = desk.plan(headers=[("ce_orderingkey", b"k")])
    document = desk.plan(
        2,
        headers=[("content-type", b"application/cloudevents+json")],
        value=b'{"specversion":"1.0","id":"2","source":"/s","type":"t","n":1,"t":true,"data":1}',
    )

    for plan in (plain, document):
        exact = sum(record_bytes(record) for record in plan.records)
        assert exact <= plan.size_bytes < exact + 2 * 256
        assert len(plan.records) == 2


def test_a_record_on_a_foreign_partition_is_set_aside() -> None:
    """Its registry lives elsewhere; the detail says what to set."""
    desk = Desk(partitions=1000)
    put(desk.directory, subscription())

    plan = desk.plan()

    assert plan.reason == "wrong_partition"
    assert b"murmur2_random" in (plan.records[0].value or b"")


def test_a_huge_key_is_not_used_as_key_of_the_stub(desk: Desk) -> None:
    """The stub itself must always fit."""
    record = received()._replace(key=b"k" * 100_000)

    plan = desk.planner.plan(record, registry_offset=0)

    assert plan.reason == "bad_key"
    assert plan.records[0].key is None


TARGET = ("hooklane_target", b"sub_1")


def test_a_target_overrides_matching_and_repeats_on_purpose(desk: Desk) -> None:
    """Redrive and replay send what the window knows."""
    put(desk.directory, subscription("sub_1", event_types=["none"], lane_epoch=3))
    put(desk.directory, subscription("sub_2"))
    desk.plan(1)

    plan = desk.plan(1, headers=[TARGET, ("hooklane_kind", b"replay")])

    assert [_envelope(plan, at).subscription for at in range(len(plan.records))] == ["sub_1"]
    assert _envelope(plan).kind == "replay"
    assert _envelope(plan).lane == "sub_1/3"


def test_a_test_event_has_a_lane_beside_the_others(desk: Desk) -> None:
    """No order, whatever its ordering key."""
    headers = [TARGET, ("hooklane_kind", b"test"), ("ce_orderingkey", b"k")]

    plan = desk.plan(headers=headers)

    assert _envelope(plan).lane == "sub_1/3/test"
    assert _envelope(plan).kind == "test"


def test_a_target_without_kind_is_an_ordinary_delivery(desk: Desk) -> None:
    """And a kind without target says nothing."""
    assert _envelope(desk.plan(1, headers=[TARGET])).kind == "first"
    assert _envelope(desk.plan(2, headers=[("hooklane_kind", b"test")])).kind == "first"


@pytest.mark.parametrize("status", ["disabled", "absent"])
def test_a_target_that_is_not_enabled_gets_nothing(desk: Desk, status: str) -> None:
    """Disabled means no more deliveries."""
    put(desk.directory, subscription("sub_2", status="disabled"))
    target = b"sub_2" if status == "disabled" else b"sub_3"

    assert desk.plan(headers=[("hooklane_target", target)]).result is Result.UNMATCHED


def test_a_rebuilt_window_knows_what_the_old_one_knew(desk: Desk) -> None:
    """Only events that were entered count: neither broken nor targeted ones."""
    log = [
        received(1),
        received(2, headers=[TARGET]),
        received(3, value=b"x" * 262_145),
        received(4),
    ]
    successor = Desk()

    seen = [successor.planner.fingerprint_of(record) for record in log]
    for fingerprint in seen:
        if fingerprint is not None:
            successor.planner.remember(fingerprint)

    assert [fingerprint is not None for fingerprint in seen] == [True, False, False, True]
    assert successor.plan(4).result is Result.DUPLICATE
    assert successor.plan(1, value=b"other").reason == "conflict"
    assert successor.plan(3).result is Result.UNMATCHED


def _subscriptions(plan: Plan) -> list[str]:
    return [_envelope(plan, at).subscription for at in range(len(plan.records))]


def test_a_filter_decides_by_the_content_of_an_event(desk: Desk) -> None:
    """Beside the type; subscriptions without a filter get everything."""
    put(desk.directory, subscription("sub_big", filter={"data.n": {"$gte": 100}}))
    put(desk.directory, subscription("sub_small", filter={"data.n": {"$lt": 100}}))
    put(desk.directory, subscription("sub_eu", filter={"region": "eu"}, event_types=["order.paid"]))

    big = desk.plan(1, value=b'{"n": 120}')
    small = desk.plan(2, value=b'{"n": 20}', headers=[("ce_region", b"eu")])
    text = desk.plan(3, value=b"no json")

    assert _subscriptions(big) == ["sub_1", "sub_big"]
    assert _subscriptions(small) == ["sub_1", "sub_small", "sub_eu"]
    assert _subscriptions(text) == ["sub_1"]


def test_an_event_that_no_filter_wants_is_unmatched() -> None:
    """It is counted as one without subscriptions is."""
    desk = Desk()
    put(desk.directory, subscription(filter={"data.n": 1}))

    assert desk.plan(value=b'{"n": 2}') == Plan(Result.UNMATCHED)


def test_a_target_overrides_filter_and_schema(desk: Desk) -> None:
    """Test events, redrives and replays were chosen on purpose, and judged before."""
    put(desk.directory, subscription(filter={"data.n": 1}))
    desk.event_types.change("order.paid", event_type())

    plan = desk.plan(value=b"[]", headers=[("hooklane_target", b"sub_1")])

    assert (plan.result, plan.schema_mode) == (Result.MATCHED, None)


def test_a_filter_that_does_not_compile_matches_nothing_but_its_target(desk: Desk) -> None:
    """Nobody can tell what it was to let pass."""
    put(desk.directory, subscription("sub_bad", filter={"data.n": {"$regex": "x"}}))

    assert _subscriptions(desk.plan(1)) == ["sub_1"]
    assert _subscriptions(desk.plan(2, headers=[("hooklane_target", b"sub_bad")])) == ["sub_bad"]


def test_an_event_too_costly_for_a_filter_is_marked(desk: Desk) -> None:
    """That filter does not match; others are not touched."""
    costly = {f"data.a.{name}": {"$ne": 1} for name in "abcdefgh"}
    put(desk.directory, subscription("sub_costly", filter=costly))

    plan = desk.plan(value=b'{"a":[' + b",".join([b"{}"] * 80_000) + b"]}")

    assert plan.is_costly
    assert _subscriptions(plan) == ["sub_1"]


def test_an_enforced_schema_sets_what_breaks_it_aside(desk: Desk) -> None:
    """With the place, without the data; what keeps it goes on."""
    desk.event_types.change("order.paid", event_type())

    bad = desk.plan(1, value=b'{"n": "SECRET"}')
    good = desk.plan(2, value=b'{"n": 1}')

    assert (bad.result, bad.schema_mode) == (Result.QUARANTINED, "enforce")
    assert bad.reason is QuarantineReason.SCHEMA_VIOLATION
    stub = orjson.loads(bad.records[0].value or b"")
    assert stub["reason"] == "schema_violation"
    assert stub["detail"] == 'data/n does not keep type: ["number"]'
    assert (good.result, good.schema_mode) == (Result.MATCHED, None)


def test_a_schema_that_warns_lets_the_event_pass(desk: Desk) -> None:
    """It is counted, whether a subscription wants it or not."""
    desk.event_types.change("order.paid", event_type(validation="warn"))

    seen = desk.plan(1, value=b"{}")
    unseen = desk.plan(2, value=b"{}", subscriber="other")

    assert (seen.result, seen.schema_mode) == (Result.MATCHED, "warn")
    assert (unseen.result, unseen.schema_mode) == (Result.UNMATCHED, "warn")


def test_a_repeat_is_judged_once(desk: Desk) -> None:
    """A violation takes the identity, so that a takeover plans the same again."""
    desk.event_types.change("order.paid", event_type())
    desk.plan(1, value=b"{}")

    assert desk.plan(1, value=b"{}").result is Result.DUPLICATE
    assert desk.plan(1, value=b'{"n": 1}').reason is QuarantineReason.CONFLICT


def test_a_new_id_or_time_frees_what_broke_its_schema(desk: Desk) -> None:
    """What the runbook of the quarantine says: the old id is taken, also by a relaxed schema."""
    desk.event_types.change("order.paid", event_type())
    desk.plan(1, value=b"{}")
    desk.event_types.change("order.paid", None)

    assert desk.plan(1, value=b"{}").result is Result.DUPLICATE
    assert desk.plan(2, value=b"{}").result is Result.MATCHED
    assert desk.plan(1, value=b"{}", timestamp=NOW_MS + 10_001).result is Result.MATCHED


def test_what_is_broken_otherwise_takes_no_id(desk: Desk) -> None:
    """It is sent again with the same one."""
    assert desk.plan(1, value=b"x" * (DATA_BYTES_MAX + 1)).reason is QuarantineReason.TOO_LARGE

    assert desk.plan(1).result is Result.MATCHED
