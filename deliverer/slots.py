"""Share the process-wide slots between partitions, pure.

Subscriptions whose last attempt failed are *suspects*: together they may hold a fifth of the slots,
so that dead receivers that eat their whole timeout cannot take the places of healthy ones.

Before the first timeout nobody knows who is dead. So the second half of the slots is kept for
subscriptions that have no attempt out: many that hang at once, each with as many attempts as it may
have, still leave a slot for each of the others.
"""

from collections.abc import Callable

SUSPECT_SHARE = 0.2
FREE_SHARE = 0.5


class Slots:
    """Count attempts in flight; say who may start another one.

    `wait` registers a callback that is called once, when a slot became free: the owner of a full
    process's next attempt is whoever waited longest.
    """

    def __init__(self, max_in_flight: int, *, suspect_share: float = SUSPECT_SHARE) -> None:
        self._max = max_in_flight
        self._suspects_max = max(1, int(max_in_flight * suspect_share))
        self._in_flight = 0
        self._suspects_in_flight = 0
        self._waiting: dict[Callable[[], None], None] = {}

    @property
    def in_flight(self) -> int:
        """Return how many attempts run in this process."""
        return self._in_flight

    @property
    def suspects_in_flight(self) -> int:
        """Return how many of them are suspects'."""
        return self._suspects_in_flight

    @property
    def spare(self) -> int:
        """Return how many more may start before only subscriptions without attempts may."""
        return int(self._max * FREE_SHARE) - self._in_flight

    def admits(self, is_suspect: bool) -> bool:
        """Tell whether a subscription of this kind may start an attempt now."""
        if self._in_flight >= self._max:
            return False
        return not is_suspect or self._suspects_in_flight < self._suspects_max

    def take(self, *, is_suspect: bool) -> None:
        """Occupy a slot."""
        self._in_flight += 1
        self._suspects_in_flight += is_suspect

    def release(self, *, is_suspect: bool) -> None:
        """Free a slot that was taken as this kind; wake who waits, in the order they came."""
        self._in_flight -= 1
        self._suspects_in_flight -= is_suspect
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for wake in waiting:
                wake()

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, at the next release."""
        self._waiting[wake] = None

    def leave(self, wake: Callable[[], None]) -> None:
        """Wait no longer."""
        self._waiting.pop(wake, None)
