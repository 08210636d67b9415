"""Records in, records out."""

import json
from dataclasses import replace

import pytest

from deliverer.policy.items import (
    AttemptLog,
    DeadLetter,
    Delivery,
    FailingState,
    LaneState,
    Park,
    Parked,
    TickSnapshot,
    WindowState,
)
from deliverer.records import masked, quarantined, read_delivery, read_parked, tick_records
from deliverer.state import decode_failures
from schemas.dead_letter import DeadLetterReason
from schemas.event import Violation
from schemas.lane_state import (
    WINDOW_KEY,
    FailingRecord,
    LaneRecord,
    decode_lane,
    decode_window,
)
from schemas.outcome import Outcome
from schemas.quarantine import QuarantineReason
from tests.fakes.deliverer import NAMES, FakeRecord, delivery_record, retry_record

NOW = 1_700_000_000_000


def snapshot(*outputs: object, lanes: list[tuple[str, LaneState | None]] | None = None) -> object:
    """Return a tick with these outputs."""
    return TickSnapshot(
        tick=9,
        term=4,
        outputs=list(outputs),  # type: ignore[arg-type]
        lanes=lanes or [],
        window=WindowState(7, [(8, 9)], [(1, []), (2, [(3, 4)])]),
    )


def the_delivery(record: FakeRecord | None = None) -> Delivery:
    """Return a delivery as it was read."""
    delivery = read_delivery(record or delivery_record(5))
    assert isinstance(delivery, Delivery)
    return delivery


def test_a_delivery_is_read_from_its_header() -> None:
    """Sequence is the offset; the size counts what it holds in memory."""
    record = replace(delivery_record(5), value=b"x" * 1000)

    delivery = the_delivery(record)

    assert (delivery.sequence, delivery.subscription, delivery.lane) == (5, "sub_a", "sub_a/0")
    assert delivery.record is record
    assert delivery.size > 1000


@pytest.mark.parametrize(
    "record",
    [
        FakeRecord(0),
        FakeRecord(0, headers=[("delivery", b"")]),
        FakeRecord(0, headers=[("delivery", b'{"v":1}')]),
        FakeRecord(0, headers=[("delivery", b"[" * 100_000)]),
        replace(delivery_record(0), key=None),
    ],
)
def test_junk_is_a_violation_not_an_exception(record: FakeRecord) -> None:
    """Reading is total, for the log and the delay topics."""
    assert isinstance(read_delivery(record), Violation)
    assert isinstance(read_parked(0, record), Violation)


def test_a_parked_record_stands_alone() -> None:
    """Everything the machine needs is in the header `retry`."""
    parked = read_parked(2, retry_record(11, sequence=5, term=4, attempt=3, due_at=NOW + 9))

    assert isinstance(parked, Parked)
    assert (parked.tier, parked.offset, parked.attempt) == (2, 11, 3)
    assert (parked.term, parked.due_at) == (4, NOW + 9)
    assert parked.delivery.sequence == 5


def test_a_quarantine_record_names_the_place_and_keeps_the_bytes() -> None:
    """It lies on the partition it came from."""
    record = FakeRecord(5, partition=3, value=b"\xff")

    aside = quarantined(record, Violation(QuarantineReason.BAD_JSON, "why"), topics=NAMES)

    value = json.loads(aside.value or b"")
    assert (aside.topic, aside.partition) == (NAMES.quarantine, 3)
    assert (value["topic"], value["offset"], value["value"]) == (NAMES.deliveries, 5, "/w==")


def test_a_park_keeps_the_delivery_and_replaces_the_retry() -> None:
    """A hop writes a new `retry`; `delivery` and the data stay byte for byte."""
    record = replace(retry_record(11, sequence=5, term=1), value=b'{"a": 1.0}')
    parked = read_parked(0, record)
    assert isinstance(parked, Parked)
    park = Park(parked.delivery, 1, 3, NOW + 30_000, NOW, "http_5xx", 503, NOW + 1)

    out, window = tick_records(snapshot(park), partition=3, topics=NAMES, now_ms=NOW)  # type: ignore[arg-type]

    names = [name for name, _ in out.headers]
    retry = json.loads(dict(out.headers)["retry"])
    assert (out.topic, out.partition, out.key, out.value) == (
        NAMES.tiers[1], 3, b"acme", b'{"a": 1.0}',
    )  # fmt: skip
    assert names.count("retry") == 1
    assert dict(out.headers)["delivery"] == dict(record.headers)["delivery"]
    assert (retry["attempt"], retry["term"], retry["sequence"]) == (3, 4, 5)
    assert (retry["last_outcome"], retry["last_status"]) == ("http_5xx", 503)
    assert (retry["first_attempt_at"], retry["last_attempt_at"]) == (NOW, NOW + 1)
    again = read_parked(1, replace(record, headers=out.headers))
    assert isinstance(again, Parked)
    assert again.last_attempt_at == NOW + 1
    assert window.key == WINDOW_KEY


def test_a_parked_record_reads_back_as_it_was_written() -> None:
    """Writing and reading a delay record are each other's inverse."""
    park = Park(the_delivery(), 0, 2, NOW + 5_000, NOW, "timeout", None)

    out = tick_records(snapshot(park), partition=0, topics=NAMES, now_ms=NOW)[0]  # type: ignore[arg-type]
    parked = read_parked(0, FakeRecord(1, key=out.key, value=out.value, headers=out.headers))

    assert isinstance(parked, Parked)
    assert (parked.attempt, parked.due_at, parked.term) == (2, NOW + 5_000, 4)
    assert (parked.first_attempt_at, parked.last_outcome) == (NOW, "timeout")
    assert parked.delivery.lane == "sub_a/0"


def test_a_dead_letter_carries_data_reason_and_answer() -> None:
    """Our own headers are left out, those of the event stay."""
    letter = DeadLetter(
        the_delivery(), DeadLetterReason.ABORTED, 2, NOW, NOW + 1, "http_4xx", 400, b"no\xff"
    )

    out = tick_records(snapshot(letter), partition=0, topics=NAMES, now_ms=NOW)[0]  # type: ignore[arg-type]

    envelope = json.loads(dict(out.headers)["dead_letter"])
    assert (out.topic, out.value) == (NAMES.dead_letters, b"{}")
    assert "delivery" not in dict(out.headers)
    assert dict(out.headers)["ce_id"] == b"5"
    assert (envelope["reason"], envelope["subscriber"], envelope["event_id"]) == (
        "aborted", "acme", "5",
    )  # fmt: skip
    assert envelope["dead_at"] == envelope["first_attempt_at"] == "2023-11-14T22:13:20.000Z"
    assert envelope["response"] == "no�"


def test_a_dead_letter_without_an_attempt_has_no_answer() -> None:
    """Expired before it was ever sent."""
    letter = DeadLetter(the_delivery(), DeadLetterReason.EXPIRED, 0, None, None, None, None)

    out = tick_records(snapshot(letter), partition=0, topics=NAMES, now_ms=NOW)[0]  # type: ignore[arg-type]

    envelope = json.loads(dict(out.headers)["dead_letter"])
    assert envelope["last_outcome"] is None
    assert "response" not in envelope


@pytest.mark.parametrize("next_at", [None, NOW + 5_000])
def test_an_attempts_record_is_small_and_complete(next_at: int | None) -> None:
    """Optional fields are absent, not null."""
    log = AttemptLog(the_delivery(), 1, "first", Outcome.TIMEOUT, None, NOW, 15_000, next_at, None)

    out = tick_records(snapshot(log), partition=0, topics=NAMES, now_ms=NOW)[0]  # type: ignore[arg-type]

    value = json.loads(out.value or b"")
    assert out.topic == NAMES.attempts
    assert (value["outcome"], value["status"], value["type"]) == ("timeout", None, "order.paid")
    assert ("next_attempt_at" in value) == (next_at is not None)
    assert "detail" not in value


def test_lanes_are_records_or_tombstones_and_the_window_comes_last() -> None:
    """A takeover reads both back."""
    lanes = [("sub_a/0", LaneState(5, [(6, 8)], (5, 2), NOW)), ("sub_b/0", None)]

    held, gone, window = tick_records(
        snapshot(lanes=lanes),  # type: ignore[arg-type]
        partition=3,
        topics=NAMES,
        now_ms=NOW,
    )

    lane = decode_lane(held.value or b"")
    assert isinstance(lane, LaneRecord)
    assert lane.held is not None
    assert (lane.low, lane.held.offset, lane.held.attempt) == (5, 5, 2)
    assert (gone.key, gone.value) == (b"sub_b/0", None)
    decoded = decode_window(window.value or b"")
    assert not isinstance(decoded, Violation)
    assert (decoded.term, decoded.tick, decoded.w, decoded.done) == (4, 9, 7, [(8, 9)])
    assert [(tier.w, tier.done) for tier in decoded.tiers] == [(1, []), (2, [(3, 4)])]


def test_what_outlasts_an_owner_is_written_beside_the_lanes() -> None:
    """A takeover reads it back; None takes it away."""
    taken = snapshot()
    taken.failing = [("sub_a", FailingState(5, 3, 9)), ("sub_b", None)]  # type: ignore[attr-defined]

    records = tick_records(
        taken,  # type: ignore[arg-type]
        partition=3,
        topics=NAMES,
        now_ms=NOW,
    )

    found = decode_failures({record.key or b"": record.value for record in records})
    assert [record.key for record in records] == [
        b"$failing/sub_a", b"$failing/sub_b", b"$window",
    ]  # fmt: skip
    assert {record.topic for record in records} == {NAMES.lanes}
    assert found == {"sub_a": FailingRecord(since=5, failures=3, not_before=9)}


def test_an_echoed_secret_is_masked() -> None:
    """Longer ones first, so that a part of one does not spoil the other."""
    secrets = ["whsec_abcdefgh", "abcdefgh", "token-1", "ab"]

    text = masked(b"you sent whsec_abcdefgh and token-1, about", secrets)

    assert text == b"you sent *** and ***, about"


def test_a_long_answer_is_cut() -> None:
    """At most 4 KiB lie in a dead letter, also when what came is no text and grows as such."""
    assert len(masked(b"x" * 10_000, [])) == 4096
    assert 4090 <= len(masked(b"\xff" * 4096, [])) <= 4096
    assert len(masked(b"abcd" * 1024, ["abcd"])) <= 4096


@pytest.mark.parametrize("shown", range(4, 14))
def test_a_secret_that_the_bound_cuts_in_two_is_masked(shown: int) -> None:
    """The sender reads 4 KiB, so the end of a secret may not have come."""
    secret = "whsec_abcdefgh"
    filler = b"x" * (4096 - shown)

    assert masked(filler + secret.encode()[:shown], [secret]) == filler[:4096] + b"***"
