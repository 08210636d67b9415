"""Share the process-wide slots between partitions, pure.

Subscriptions whose last attempt failed are *suspects*: together they may hold a fifth of the slots,
so that dead receivers that eat their whole timeout cannot take the places of healthy ones.
"""

from collections.abc import Callable

SUSPECT_SHARE = 0.2


class Ticket:
    """One occupied slot; whether it counts as a suspect's is settled when it is taken."""

    __slots__ = ("is_suspect",)

    def __init__(self, *, is_suspect: bool) -> None:
        self.is_suspect = is_suspect


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
        self._suspects: set[str] = set()
        self._waiting: dict[Callable[[], None], None] = {}

    @property
    def in_flight(self) -> int:
        """Return how many attempts run in this process."""
        return self._in_flight

    @property
    def has_free(self) -> bool:
        """Tell whether any subscription could start an attempt now."""
        return self._in_flight < self._max

    def admits(self, subscription: str) -> bool:
        """Tell whether this subscription may start an attempt now."""
        if self._in_flight >= self._max:
            return False
        return subscription not in self._suspects or self._suspects_in_flight < self._suspects_max

    def take(self, subscription: str) -> Ticket:
        """Occupy a slot; hand the ticket back to `release`."""
        ticket = Ticket(is_suspect=subscription in self._suspects)
        self._in_flight += 1
        self._suspects_in_flight += ticket.is_suspect
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Free a slot and wake everybody who waits for one, in the order they came."""
        self._in_flight -= 1
        self._suspects_in_flight -= ticket.is_suspect
        waiting, self._waiting = self._waiting, {}
        for wake in waiting:
            wake()

    def judge(self, subscription: str, *, has_failed: bool) -> None:
        """Remember how the last attempt of a subscription ended."""
        if has_failed:
            self._suspects.add(subscription)
        else:
            self._suspects.discard(subscription)

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, at the next release."""
        self._waiting[wake] = None

    def leave(self, wake: Callable[[], None]) -> None:
        """Wait no longer."""
        self._waiting.pop(wake, None)
