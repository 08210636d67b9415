"""How often a benchmark repeats: as planned, less often when the machine is slow. Pure."""

from collections.abc import Callable, Iterator

LEAST = 4
"""One to warm up and three to take a middle of."""


def rounds(count: int, *, budget_s: float, monotonic: Callable[[], float]) -> Iterator[int]:
    """Number one warm-up and `count` rounds; after `budget_s` stop, but not before LEAST."""
    started = monotonic()
    for number in range(count + 1):
        if number >= LEAST and monotonic() - started > budget_s:
            return
        yield number
