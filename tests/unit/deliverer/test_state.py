"""What the former owner committed."""

import pytest

from deliverer.policy.items import Extent
from deliverer.policy.machine import StateRefused
from deliverer.state import CommittedState, decode_failures, decode_state, recovered
from schemas.lane_state import (
    WINDOW_KEY,
    FailingRecord,
    Held,
    LaneRecord,
    TierState,
    WindowRecord,
    failing_key,
)

WINDOW = WindowRecord(
    term=4, tick=9, w=7, done=[(8, 10)], tiers=[TierState(1, []), TierState(2, [(3, 4)])]
)
LANE = LaneRecord(low=5, done=[], held=Held(5, 2), since=1)


def state(window: WindowRecord | None, **lanes: LaneRecord) -> CommittedState:
    """Return a state with two delay topics."""
    return CommittedState(
        window=window,
        lanes=lanes,
        deliveries=Extent(0, 20),
        tiers=(Extent(0, 5), Extent(0, 6)),
        has_group_offset=True,
    )


def test_the_latest_value_of_each_key_counts_and_tombstones_are_gone() -> None:
    """Compaction may not have happened yet."""
    window, lanes = decode_state(
        {WINDOW_KEY: WINDOW.encode(), b"sub_a/0": LANE.encode(), b"sub_b/0": None}
    )

    assert window == WINDOW
    assert lanes == {"sub_a/0": LANE}


@pytest.mark.parametrize("key", [WINDOW_KEY, b"sub_a/0"])
def test_a_record_that_cannot_be_read_refuses_the_takeover(key: bytes) -> None:
    """To skip it would forget a held lane, or everything."""
    with pytest.raises(StateRefused):
        decode_state({key: b"junk"})


def test_what_is_remembered_of_failures_never_refuses_a_takeover() -> None:
    """Junk there only forgets; keys of a later version are passed over."""
    found = {
        failing_key("sub_a"): FailingRecord(since=5, failures=3).encode(),
        failing_key("sub_b"): b"junk",
        failing_key("sub_c"): None,
        b"$later/x": b"{}",
    }

    assert decode_state(found) == (None, {})
    assert decode_failures(found) == {"sub_a": FailingRecord(since=5, failures=3)}


def test_the_state_is_put_into_the_policys_words() -> None:
    """Term, tick, marks, runs and held heads arrive unchanged."""
    found = recovered(state(WINDOW, **{"sub_a/0": LANE}))

    assert (found.term, found.tick, found.has_group_offset) == (4, 9, True)
    assert found.window is not None
    assert (found.window.w, found.window.done) == (7, [(8, 10)])
    assert found.window.tiers == [(1, []), (2, [(3, 4)])]
    assert found.lanes["sub_a/0"].held == (5, 2)
    assert found.tiers == (Extent(0, 5), Extent(0, 6))


def test_a_partition_nobody_owned_has_no_mark() -> None:
    """Its first tick has none before it."""
    fresh = state(None)

    assert fresh.mark is None
    assert state(WINDOW).mark == (4, 9)
    assert (recovered(fresh).term, recovered(fresh).window) == (0, None)
