"""The first few of a kind pass, the rest are counted."""

from chassis import repeats
from chassis.repeats import Repeats


def test_the_first_few_pass_and_the_next_stretch_tells_how_many_did_not() -> None:
    """Nothing is lost without a number."""
    bound = Repeats(limit=2, window_s=10)

    assert [bound.admit("a", second) for second in (0, 1, 2, 3, 9.9)] == [0, 0, None, None, None]
    assert [bound.admit("a", second) for second in (10, 11, 12)] == [3, 0, None]


def test_kinds_do_not_hold_each_other_back() -> None:
    """One that floods leaves the others alone."""
    bound = Repeats(limit=1, window_s=10)
    bound.admit("a", 0)

    assert bound.admit("a", 1) is None
    assert bound.admit("b", 1) == 0


def test_memory_is_bounded() -> None:
    """Texts that differ each time are not kept for ever."""
    bound = Repeats(limit=1, window_s=10)
    for number in range(repeats.KEYS_MAX + 1):
        bound.admit(str(number), 0)

    assert bound.admit("1", 1) is None
    assert bound.admit("0", 1) == 0
