"""Tests of what makes a tick."""

import orjson

from chassis.kafka import RECORD_BYTES_MAX
from fanout.draft import Draft
from fanout.plan import Plan, PlannedRecord, Result
from schemas.quarantine import QuarantineReason
from tests.unit.fanout.events import NOW_MS, received


def _draft(records_max: int = 3, bytes_max: int = 10_000) -> Draft:
    return Draft(
        partition=2,
        topic_of=lambda suffix: f"p.{suffix}",
        records_max=records_max,
        bytes_max=bytes_max,
    )


def _matched(count: int = 1, size: int = 10) -> Plan:
    record = PlannedRecord("deliveries", b"acme", b"x" * size, [])
    return Plan(Result.MATCHED, [record] * count)


def test_plans_become_records_of_the_own_partition() -> None:
    """Topics get their prefix; counts are kept for the commit."""
    draft = _draft()

    draft.add(received(), _matched(2))
    draft.add(received(), Plan(Result.DUPLICATE))

    assert [(r.topic, r.partition) for r in draft.records] == [("p.deliveries", 2)] * 2
    assert draft.results == {Result.MATCHED: 1, Result.DUPLICATE: 1}
    assert (draft.deliveries, draft.events, draft.accepted_at) == (2, 2, [NOW_MS])


def test_a_tick_is_bounded_in_records_bytes_and_events() -> None:
    """One event always fits; events without records count, too."""
    by_records, by_bytes, by_events = _draft(), _draft(), _draft()

    by_records.add(received(), _matched(1000))
    by_bytes.add(received(), _matched(1, size=20_000))
    for _ in range(3):
        assert not by_events.is_full
        by_events.add(received(), Plan(Result.UNMATCHED))

    assert by_records.is_full
    assert len(by_records.records) == 1000
    assert by_bytes.is_full
    assert by_events.is_full


def test_what_cannot_be_written_is_set_aside() -> None:
    """A record above the producer's bound would brick it for ever."""
    draft = _draft()

    draft.add(received(offset=8), _matched(2, size=RECORD_BYTES_MAX))

    assert [r.topic for r in draft.records] == ["p.quarantine"]
    assert orjson.loads(draft.records[0].value or b"")["offset"] == 8
    assert draft.results == {Result.QUARANTINED: 1}
    assert draft.reasons == {QuarantineReason.TOO_LARGE: 1}
    assert draft.deliveries == 0


def test_what_broke_a_schema_and_what_cost_too_much_is_counted() -> None:
    """Once per event; told when the tick is committed."""
    draft = _draft()

    draft.add(received(), Plan(Result.UNMATCHED, schema_mode="warn", is_costly=True))
    draft.add(received(), Plan(Result.QUARANTINED, schema_mode="enforce"))
    draft.add(received(), Plan(Result.UNMATCHED))

    assert draft.schema_modes == {"warn": 1, "enforce": 1}
    assert draft.costly_events == 1
