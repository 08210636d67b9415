"""The loop that absolute figures are read by."""

from itertools import accumulate, chain

from bench.yardstick import plain_python_ms


def test_each_repeat_is_timed_by_itself() -> None:
    """Least, middle and largest, in milliseconds."""
    readings = accumulate(chain.from_iterable((1.0, taken) for taken in (0.5, 0.25, 0.125)))

    spread = plain_python_ms(lambda: next(readings), repeats=3)

    assert (spread.least, spread.middle, spread.largest) == (125.0, 250.0, 500.0)
