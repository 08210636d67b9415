"""Tests of the records of the lanes topic."""

import pytest

from schemas.delivery import parse_lane
from schemas.event import Violation
from schemas.lane_state import (
    FailingRecord,
    Held,
    LaneRecord,
    TierState,
    WindowRecord,
    decode_failing,
    decode_lane,
    decode_window,
    failing_key,
)


def test_state_is_read_as_written() -> None:
    """A takeover stands exactly where the last tick ended."""
    window = WindowRecord(term=2, tick=7, w=10, done=[(12, 15)], tiers=[TierState(3, [(5, 6)])])
    lane = LaneRecord(low=4, done=[(6, 7)], held=Held(4, 2), since=99)

    assert decode_window(window.encode()) == window
    assert decode_lane(lane.encode()) == lane
    assert decode_lane(LaneRecord(low=4, done=[], since=1).encode()) == LaneRecord(
        low=4, done=[], since=1
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"term":1,"tick":1,"w":1,"done":[[1]],"tiers":[]}',
        b'{"term":1,"tick":1,"w":1,"done":[[5,5]],"tiers":[]}',
        b'{"term":1,"tick":1,"w":1,"done":[[5,9],[7,10]],"tiers":[]}',
        b'{"term":1,"tick":1,"w":1,"done":[],"tiers":[{"w":0,"done":[[3,1]]}]}',
        b'{"low":1,"done":[[9,3]],"since":1}',
        b'{"low":"1","done":[],"since":1}',
    ],
)
def test_broken_state_is_a_violation(raw: bytes) -> None:
    """Runs out of order would silently swallow deliveries: refuse them instead."""
    assert isinstance(decode_window(raw), Violation)
    assert isinstance(decode_lane(raw), Violation)


def test_a_failing_subscription_has_a_record_beside_the_lanes() -> None:
    """Its key cannot be a lane's; junk is a violation, never an exception."""
    record = FailingRecord(since=5, failures=3, not_before=9)

    assert failing_key("sub_a") == b"$failing/sub_a"
    assert parse_lane("$failing/sub_a") is None
    assert decode_failing(record.encode()) == record
    assert decode_failing(b'{"since":1,"failures":3}') == FailingRecord(since=1, failures=3)
    assert isinstance(decode_failing(b"[]"), Violation)
    assert isinstance(decode_failing(b"\xff"), Violation)
