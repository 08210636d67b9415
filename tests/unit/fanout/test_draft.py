"""Tests of what makes a tick."""

from chassis.kafka import Record
from fanout.draft import Draft
from fanout.plan import Plan, Result
from tests.unit.fanout.events import NOW_MS, received


def _draft(records_max: int = 3, bytes_max: int = 10_000) -> Draft:
    return Draft(records_max=records_max, bytes_max=bytes_max)


def _matched(count: int = 1, size: int = 10) -> Plan:
    record = Record("p.deliveries", 2, b"acme", b"x" * size, [])
    return Plan(Result.MATCHED, [record] * count, count * size)


def test_records_and_counts_are_kept_for_the_commit() -> None:
    """In the order of the input; events accepted in the same millisecond are counted together."""
    draft = _draft()
    first, second = _matched(2), _matched(1)

    draft.add(received(), first)
    draft.add(received(), Plan(Result.DUPLICATE))
    draft.add(received(), second)
    draft.add(received(timestamp=NOW_MS + 1), second)

    assert draft.records == [*first.records, *second.records, *second.records]
    assert draft.results == {Result.MATCHED: 3, Result.DUPLICATE: 1}
    assert (draft.deliveries, draft.events, draft.size_bytes) == (4, 4, 40)
    assert draft.accepted_at == {NOW_MS: 2, NOW_MS + 1: 1}


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


def test_every_event_is_counted_by_what_became_of_it() -> None:
    """Once, also one that nobody wants; told when the tick is committed."""
    draft = _draft()

    draft.add(received(), Plan(Result.UNMATCHED, schema_mode="warn", is_costly=True))
    draft.add(received(), Plan(Result.QUARANTINED, schema_mode="enforce"))
    draft.add(received(), Plan(Result.UNMATCHED))

    assert draft.results == {Result.UNMATCHED: 2, Result.QUARANTINED: 1}
    assert draft.schema_modes == {"warn": 1, "enforce": 1}
    assert draft.costly_events == 1
