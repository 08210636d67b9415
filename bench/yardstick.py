"""How quick plain Python is here and now: a fixed loop, to read absolute figures by.

Two builds of one Python differ by a third (the official images are built with profiles, many others
are not), and a virtual CPU from minute to minute by more.
"""

from collections.abc import Callable

from bench.figures import Spread

REPEATS = 20
_STEPS = 200_000


def plain_python_ms(cpu_s: Callable[[], float], *, repeats: int = REPEATS) -> Spread:
    """Time the loop some times; `cpu_s` is a clock of CPU seconds."""
    taken = []
    for _ in range(repeats):
        before = cpu_s()
        _walk()
        taken.append((cpu_s() - before) * 1000)
    return Spread.of(taken)


def _walk() -> int:
    """Do what most of our code does: calls of methods, dictionaries, small strings."""
    seen: dict[str, int] = {}
    total = 0
    for number in range(_STEPS):
        name = str(number & 1023)
        seen[name] = seen.get(name, 0) + 1
        total += len(name)
    return total
