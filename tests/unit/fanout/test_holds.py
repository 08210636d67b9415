"""For how long a partition counts as held up."""

from fanout.holds import Ends, Holds


def test_a_log_that_may_be_read_to_its_end_is_not_held_up() -> None:
    """Markers of transactions that ended lie below the stable end; it may be ahead of the look."""
    holds = Holds(5)

    for now in (0, 100):
        assert holds.note({0: Ends(7, 7), 1: Ends(9, 8)}, now) == []

    assert holds.longest_s == 0


def test_it_counts_from_the_first_look_and_ends_with_the_transaction() -> None:
    """More records behind it change nothing."""
    holds = Holds(5)

    holds.note({0: Ends(7, 9)}, 100)
    assert holds.longest_s == 0
    holds.note({0: Ends(7, 20)}, 104)
    assert holds.longest_s == 4
    holds.note({0: Ends(21, 21)}, 105)
    assert holds.longest_s == 0


def test_a_stable_end_that_moves_is_another_transaction() -> None:
    """Producers whose short transactions follow each other hold nobody up."""
    holds = Holds(5)

    for step in range(100):
        assert holds.note({0: Ends(7 + step, 20 + step)}, 4 * step) == []

    assert holds.longest_s == 0


def test_the_partition_that_is_held_up_longest_counts() -> None:
    """One that moved to another process is forgotten."""
    holds = Holds(5)
    holds.note({0: Ends(7, 9)}, 100)
    holds.note({0: Ends(7, 9), 1: Ends(3, 4)}, 103)
    assert holds.longest_s == 3

    holds.note({1: Ends(3, 4)}, 104)
    assert holds.longest_s == 1
    holds.note({}, 105)
    assert holds.longest_s == 0


def test_each_hold_is_told_once() -> None:
    """As soon as it is late; the next one of the same partition again."""
    holds = Holds(5)
    holds.note({0: Ends(7, 9)}, 100)

    assert holds.note({0: Ends(7, 9)}, 104) == []
    assert [(p, hold.stable, hold.since) for p, hold in holds.note({0: Ends(7, 9)}, 105)] == [
        (0, 7, 100)
    ]
    assert holds.note({0: Ends(7, 9)}, 200) == []

    holds.note({0: Ends(8, 9)}, 201)
    assert len(holds.note({0: Ends(8, 9)}, 206)) == 1
