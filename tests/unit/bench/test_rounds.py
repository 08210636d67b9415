"""How often a benchmark repeats."""

from bench.rounds import LEAST, rounds
from tests.fakes.clock import ManualClock


def test_a_quick_machine_gets_every_round_and_a_warm_up() -> None:
    """The first round is thrown away."""
    clock = ManualClock()

    assert list(rounds(5, budget_s=10, monotonic=clock.monotonic)) == [0, 1, 2, 3, 4, 5]


def test_a_slow_machine_gets_fewer_rounds_but_a_middle() -> None:
    """A whole run is bounded in time; three figures are the least that have a middle."""
    clock = ManualClock()
    seen = []

    for number in rounds(9, budget_s=10, monotonic=clock.monotonic):
        seen.append(number)
        clock.advance(6)

    assert len(seen) == LEAST
