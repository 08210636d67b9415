"""Tests of the lane: its table of phases, row by row, and its order."""

import itertools

import pytest

from deliverer.policy.items import Attempt
from deliverer.policy.lanes import TRANSITIONS, IllegalStep, Lane, Phase, Step, read_key
from tests.unit.deliverer.policy.build import delivery

ILLEGAL = sorted(set(itertools.product(Phase, Step)) - set(TRANSITIONS))


def _lane(*, is_strict: bool = True) -> Lane:
    return Lane("s/0", subscription="s", epoch=0, is_strict=is_strict)


@pytest.mark.parametrize(("phase", "step"), sorted(TRANSITIONS))
def test_a_row_of_the_table_moves_the_head(phase: Phase, step: Step) -> None:
    """A strict lane follows the table to the letter."""
    lane = _lane()
    lane.phase = phase

    lane.step(step)

    assert lane.phase is TRANSITIONS[phase, step]


@pytest.mark.parametrize(("phase", "step"), ILLEGAL)
def test_a_step_without_a_row_raises_and_changes_nothing(phase: Phase, step: Step) -> None:
    """What cannot happen is a defect, found where it happens."""
    lane = _lane()
    lane.phase = phase

    with pytest.raises(IllegalStep):
        lane.step(step)

    assert lane.phase is phase


def test_every_phase_can_be_left_and_reached() -> None:
    """Only the end has no way out."""
    reached = {*TRANSITIONS.values()}
    left = {phase for phase, _ in TRANSITIONS}

    assert reached == set(Phase)
    assert left == set(Phase) - {Phase.GONE}


def test_a_lane_without_order_has_no_phase() -> None:
    """Deliveries of mode none do not wait for one another."""
    lane = _lane(is_strict=False)

    lane.step(Step.WOKEN)

    assert lane.phase is Phase.FREE


def test_a_delivery_goes_back_to_its_place() -> None:
    """Whatever comes back first, the queue stays in the order of the log."""
    lane = _lane(is_strict=False)
    for sequence in (7, 3, 5):
        lane.give_back(delivery(sequence))

    assert [d.sequence for d in lane.queue] == [3, 5, 7]


def test_low_is_the_least_unfinished_offset_and_retries_do_not_count() -> None:
    """A parked delivery's offset was settled when it was parked."""
    lane = _lane(is_strict=False)
    empty = lane.low(50)
    lane.queue.append(delivery(9))
    lane.inflight[4] = Attempt(delivery(4), 1)
    lane.inflight[2] = Attempt(delivery(2), 2, source=(0, 17))

    assert (empty, lane.low(50)) == (50, 4)


@pytest.mark.parametrize(
    ("key", "expected"), [("s/3", (3, False)), ("s/0/17", (0, False)), ("s/2/test", (2, True))]
)
def test_a_key_says_epoch_and_test(key: str, expected: tuple[int, bool]) -> None:
    """The lane key is fan-out's; it is only read here."""
    assert read_key(key) == expected


def test_a_broken_key_is_refused() -> None:
    """The decoders let none through; if one does, it must not become a lane."""
    with pytest.raises(ValueError, match="lane"):
        read_key("no lane")
