"""Every row of the table of phases, as something that happens to a lane."""

from collections.abc import Callable

import msgspec
import pytest

from deliverer.policy.items import DeadLetter, Extent, LaneState, Limits, Park, WindowState
from deliverer.policy.lanes import TRANSITIONS, Phase, Step
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    DAY,
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
    start,
    state,
    tick,
)

DUE = NOW + 5_000
TOO_LATE = NOW + DAY + 1


class Bench:
    """A machine whose one lane is brought into a phase: 0 is its head, 1 waits behind it."""

    def __init__(self, phase: Phase) -> None:
        self.registry = Registry(s=STRICT)
        self.made: Machine = machine(self.registry, limits=Limits(slot_wait_ms=10_000))
        feed(self.made, delivery(0))
        self.lane = self.made._state.lanes["s/0"]
        {
            Phase.FREE: lambda: None,
            Phase.RUNNING: self.run,
            Phase.HELD: self.hold,
            Phase.DUE: self.fall_due,
            Phase.SETTLING: self.give_up,
        }[phase]()
        assert self.lane.phase is phase

    def run(self) -> None:
        """Let the head be out."""
        self.attempt = start(self.made)

    def hold(self) -> None:
        """Let the head wait in a delay topic, read from there."""
        read_back(self.made, failing(self.made))

    def fall_due(self) -> None:
        """Let its time come."""
        self.hold()
        self.made.wake(DUE)

    def give_up(self) -> None:
        """Let the head be a dead letter that is not committed, and one more wait."""
        feed(self.made, delivery(1))
        self.run()
        end(self.made, self.attempt, Outcome.ABORTED)

    def end(self, outcome: Outcome) -> None:
        """End the attempt."""
        end(self.made, self.attempt, outcome)

    def edit(self, **changes: object) -> None:
        """Edit the subscription."""
        self.registry["s"] = msgspec.structs.replace(self.registry["s"], **changes)
        self.made.registry_changed("s", NOW)

    def drop(self) -> None:
        """Disable it."""
        self.edit(status="disabled", lane_epoch=1, drop_before=1)

    def lose(self) -> None:
        """Let a successor find that retention took the record of the held head."""
        gone = tuple(Extent(1, 1) for _ in TIERS)
        window = WindowState(1, [], [(0, [])] * len(TIERS))
        held = {"s/0": LaneState(1, [], (0, 2), NOW)}
        self.made = machine(recovered=state(window=window, lanes=held, tiers=gone))
        self.lane = self.made._state.lanes["s/0"]
        assert self.lane.phase is Phase.HELD
        self.made.wake(NOW)

    def wake_paused(self) -> None:
        """Let the head fall due while the subscription is paused."""
        self.edit(status="paused")
        self.made.wake(DUE)


Happens = Callable[[Bench], object]

ROWS: list[tuple[Phase, Step, Happens, Phase]] = [
    (Phase.FREE, Step.START, lambda b: b.run(), Phase.RUNNING),
    (Phase.FREE, Step.DEAD, lambda b: b.made.next_start(TOO_LATE), Phase.SETTLING),
    (Phase.RUNNING, Step.DELIVERED, lambda b: b.end(Outcome.DELIVERED), Phase.FREE),
    (Phase.RUNNING, Step.FAILED, lambda b: b.end(Outcome.HTTP_5XX), Phase.HELD),
    (Phase.RUNNING, Step.DEAD, lambda b: b.end(Outcome.ABORTED), Phase.SETTLING),
    (Phase.RUNNING, Step.RETURNED, lambda b: b.end(Outcome.CANCELLED), Phase.FREE),
    (Phase.HELD, Step.WOKEN, lambda b: b.made.wake(DUE), Phase.DUE),
    (Phase.HELD, Step.DEAD, lambda b: b.made.wake(TOO_LATE), Phase.SETTLING),
    (Phase.HELD, Step.REPARKED, lambda b: b.wake_paused(), Phase.HELD),
    (Phase.HELD, Step.LOST, lambda b: b.lose(), Phase.FREE),
    (Phase.DUE, Step.START, lambda b: start(b.made, DUE), Phase.RUNNING),
    (Phase.DUE, Step.DEAD, lambda b: b.made.next_start(TOO_LATE), Phase.SETTLING),
    (Phase.DUE, Step.REPARKED, lambda b: b.made.wake(DUE + 10_000), Phase.HELD),
    (Phase.SETTLING, Step.DEAD, lambda b: b.made.next_start(TOO_LATE), Phase.SETTLING),
    (Phase.SETTLING, Step.COMMITTED, lambda b: tick(b.made), Phase.FREE),
    (Phase.FREE, Step.DROPPED, lambda b: b.drop(), Phase.GONE),
    (Phase.RUNNING, Step.DROPPED, lambda b: b.drop(), Phase.GONE),
    (Phase.HELD, Step.DROPPED, lambda b: b.drop(), Phase.GONE),
    (Phase.DUE, Step.DROPPED, lambda b: b.drop(), Phase.GONE),
    (Phase.SETTLING, Step.DROPPED, lambda b: b.drop(), Phase.GONE),
]


@pytest.mark.parametrize(("phase", "step", "happens", "then"), ROWS)
def test_what_happens_moves_the_head_as_the_table_says(
    phase: Phase, step: Step, happens: Happens, then: Phase
) -> None:
    """The table is not an idea beside the machine: each row is reached through its calls."""
    bench = Bench(phase)

    happens(bench)

    assert bench.lane.phase is then
    assert TRANSITIONS[phase, step] is then


def test_no_row_of_the_table_is_left_out() -> None:
    """A new one needs something that happens."""
    assert {(phase, step): then for phase, step, _, then in ROWS} == TRANSITIONS


def test_a_head_that_is_parked_again_is_written_again() -> None:
    """Held before and after: only the record in the delay topic is new."""
    bench = Bench(Phase.HELD)

    bench.wake_paused()

    (park,) = outputs(tick(bench.made), Park)
    assert (park.attempt, park.due_at) == (2, DUE + 30_000)


def test_the_next_head_may_expire_before_the_last_dead_letter_is_committed() -> None:
    """It is a dead letter without an attempt, so no order is at stake."""
    bench = Bench(Phase.SETTLING)

    bench.made.next_start(TOO_LATE)

    assert len(outputs(tick(bench.made, TOO_LATE), DeadLetter)) == 2
