"""Tests of the takeover: resume exactly, refuse what contradicts the logs."""

import pytest

from deliverer.policy.items import Extent, LaneState, Park, WindowState
from deliverer.policy.machine import StateRefused
from deliverer.policy.window import Run
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    NOW,
    STRICT,
    TIERS,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    outputs,
    read_back,
    report,
    start,
    state,
    tick,
)

NO_TIERS: list[tuple[int, list[Run]]] = [(0, [])] * len(TIERS)


def test_a_new_partition_begins_at_the_beginning() -> None:
    """No `$window` and no group offset: nobody was here before."""
    made = machine(recovered=state(deliveries=Extent(7, 9)))

    assert (made.head_position, made.term) == (7, 1)


def test_a_group_offset_without_a_window_is_refused() -> None:
    """`lanes` was lost or cleaned away: starting over would repeat everything."""
    with pytest.raises(StateRefused, match="window"):
        machine(recovered=state(has_group_offset=True))


def test_it_goes_on_from_the_marks() -> None:
    """The log and every tier are read from where the last tick ended."""
    window = WindowState(20, [(22, 24)], [(3, []), (5, [(6, 7)]), (0, [])])
    made = machine(recovered=state(term=2, tick=8, window=window))

    assert made.head_position == 20
    assert [made.tier_position(tier) for tier in range(3)] == [3, 5, 0]
    assert made.begin_tick(NOW).window == window


@pytest.mark.parametrize(
    "window", [WindowState(11, [], NO_TIERS), WindowState(0, [], [(0, []), (99, []), (0, [])])]
)
def test_a_mark_beyond_the_end_is_refused(window: WindowState) -> None:
    """The topic was recreated: the offsets mean other records now."""
    with pytest.raises(StateRefused, match="beyond"):
        machine(recovered=state(10, window=window))


def test_fewer_tiers_than_before_are_refused() -> None:
    """What waits in a tier that is gone would be lost."""
    with pytest.raises(StateRefused, match="delay topics"):
        machine(recovered=state(window=WindowState(0, [], [*NO_TIERS, (0, [])])))


def test_a_mark_below_the_beginning_is_raised_and_counted() -> None:
    """Retention passed it: an alarm, not a stop."""
    window = WindowState(2, [(3, 6)], [(1, []), (0, []), (0, [])])
    made = machine(
        recovered=state(
            window=window,
            deliveries=Extent(5, 50),
            tiers=(Extent(4, 9), Extent(0, 9), Extent(0, 9)),
        ),
        is_confirmed=False,
    )

    assert (made.head_position, made.tier_position(0)) == (5, 4)
    assert (made.counts.lost_offsets, made.counts.lost_tier_offsets) == (3, 3)
    assert made.begin_tick(NOW).window == WindowState(5, [(5, 6)], [(4, []), *NO_TIERS[1:]])


def test_a_held_lane_stays_held_until_its_head_comes_back() -> None:
    """What comes behind the head is read again and waits, as before the crash."""
    former = machine()
    feed(former, delivery(0), delivery(1))
    former.finish(start(former), report(Outcome.HTTP_5XX), NOW)
    snapshot = tick(former)
    lanes = {key: lane for key, lane in snapshot.lanes if lane is not None}
    window = snapshot.window

    made = machine(recovered=state(term=1, tick=2, window=window, lanes=lanes))
    feed(made, delivery(1))
    behind = made.next_start(NOW)
    read_back(made, outputs(snapshot, Park)[0])
    made.wake(NOW + 5_000)
    head = start(made, NOW + 5_000)

    assert behind is None
    assert (head.delivery.sequence, head.number) == (0, 2)
    assert made.view.lanes_by_state()["held"] == 1


def test_records_of_dead_lanes_go_with_the_first_tick() -> None:
    """Disabled or deleted while nobody owned the partition."""
    lanes = {
        "s/0": LaneState(3, [], (2, 2), NOW),
        "gone/0": LaneState(3, [], (1, 2), NOW),
    }
    dead = STRICT.__class__(
        modes={}, schedule_ms=(), max_age_ms=1, lane_epoch=1, drop_before=1, status="disabled"
    )
    made = machine(
        Registry(s=dead),
        recovered=state(window=WindowState(3, [], NO_TIERS), lanes=lanes),
        is_confirmed=False,
    )

    assert sorted(tick(made).lanes) == [("gone/0", None), ("s/0", None)]


def test_a_record_that_says_nothing_goes_with_the_first_tick() -> None:
    """A lane that is neither held nor behind needs none."""
    lanes = {"s/0": LaneState(9, [], None, NOW)}
    made = machine(
        recovered=state(window=WindowState(9, [], NO_TIERS), lanes=lanes), is_confirmed=False
    )

    assert tick(made).lanes == [("s/0", None)]
    assert made.view.lanes_by_state()["live"] == 0


def test_the_next_owner_goes_on_counting_terms() -> None:
    """A record of a delay topic tells which owner wrote it."""
    made = machine(recovered=state(term=6, tick=1, window=WindowState(0, [], NO_TIERS)))
    feed(made, delivery(0))

    failing(made)

    assert made.begin_tick(NOW).term == 7


def test_what_is_recorded_of_a_held_lane_is_never_lowered() -> None:
    """A new owner has read less than the one before; else the next reads settled ones (107955)."""
    lanes = {"s/0": LaneState(7, [], (2, 2), NOW)}
    window = WindowState(3, [], NO_TIERS)
    made = machine(
        Registry(s=STRICT, t=STRICT),
        recovered=state(window=window, lanes=lanes),
        is_confirmed=False,
    )
    feed(made, delivery(3, "t/0"))

    written = dict(tick(made).lanes)

    assert written.get("s/0", lanes["s/0"]) == lanes["s/0"]


def test_nor_when_the_head_fails_again_before_the_log_was_read_as_far() -> None:
    """The attempt that comes is written, with the low of the former owner."""
    former = machine()
    feed(former, delivery(6))
    park = failing(former)
    lanes = {"s/0": LaneState(7, [], (6, 2), NOW)}
    window = WindowState(3, [], NO_TIERS)
    made = machine(
        Registry(s=STRICT, t=STRICT), recovered=state(term=1, tick=2, window=window, lanes=lanes)
    )
    feed(made, delivery(3, "t/0"))
    read_back(made, park)
    end(made, start(made))
    made.wake(NOW + 5_000)

    end(made, start(made, NOW + 5_000), Outcome.HTTP_5XX, status=500)

    assert dict(tick(made).lanes)["s/0"] == LaneState(7, [], (6, 3), NOW)
