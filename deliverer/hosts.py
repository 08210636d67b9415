"""Bound what one host may hold of this process, whoever subscribed to it, pure.

`max_in_flight` bounds a subscription; a tenant with five hundred of them on one slow host would
still take every slot. So attempts are counted per host and port, too. The bound postpones and never
refuses: a subscription whose turn it is stands in a line of its partition (policy/roster.py),
partitions stand in one here, and each place that becomes free calls whoever is first. No attempt
is burnt and no order changes, since what waits is a subscription, not a delivery.

Only a partition at the head of the line may take a place while others wait, else one that is busy
would pass the others again and again.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from deliverer.slots import Slots


def host_cap(max_in_flight: int, share: float) -> int:
    """Return how many attempts to one host may be in flight, at least one."""
    return max(1, int(max_in_flight * share))


class Guest(Protocol):
    """A partition that waits."""

    def called(self, host: str) -> None:
        """Take note that there is a place at a host now; answered by `answered` or `leave`."""


class _Place:
    __slots__ = ("in_flight", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.waiting: dict[Guest, None] = {}


class HostSlots:
    """Count attempts in flight by host; a host without any is forgotten.

    `full` is how many hosts somebody waits for.
    """

    def __init__(self, max_per_host: int) -> None:
        self.max_per_host = max_per_host
        self.full = 0
        self._places: dict[str, _Place] = {}

    def in_flight(self, host: str) -> int:
        """Return how many attempts to a host run in this process."""
        place = self._places.get(host)
        return 0 if place is None else place.in_flight

    def has_room(self, host: str, guest: Guest) -> bool:
        """Tell whether a partition may start an attempt to a host now."""
        place = self._places.get(host)
        if place is None:
            return True
        if place.in_flight >= self.max_per_host:
            return False
        return not place.waiting or next(iter(place.waiting)) is guest

    def take(self, host: str) -> None:
        """Occupy a place."""
        place = self._places.get(host)
        if place is None:
            place = self._places[host] = _Place()
        place.in_flight += 1

    def release(self, host: str) -> None:
        """Free a place and call who waited longest."""
        place = self._places[host]
        place.in_flight -= 1
        self._call(host, place)

    def wait(self, host: str, guest: Guest) -> None:
        """Stand in the line of a host; called at once if nobody else does and there is room."""
        place = self._places.setdefault(host, _Place())
        if guest not in place.waiting:
            place.waiting[guest] = None
            if len(place.waiting) == 1:
                self.full += 1
                self._call(host, place)

    def answered(self, host: str, guest: Guest, *, is_waiting: bool) -> None:
        """Note that a partition used its call, or could not; who waits on goes to the end."""
        self.leave(host, guest)
        if is_waiting:
            self.wait(host, guest)

    def leave(self, host: str, guest: Guest) -> None:
        """Stand in the line no longer; whoever comes next must not wait for it."""
        place = self._places.get(host)
        if place is None or guest not in place.waiting:
            return
        was_first = next(iter(place.waiting)) is guest
        del place.waiting[guest]
        self.full -= not place.waiting
        if was_first:
            self._call(host, place)

    def _call(self, host: str, place: _Place) -> None:
        if not place.waiting:
            if not place.in_flight:
                del self._places[host]
        elif place.in_flight < self.max_per_host:
            next(iter(place.waiting)).called(host)


class Doors:
    """What one partition asks before an attempt starts: its view of slots and hosts.

    `has_refused` tells whether slots were refused since the step began.
    """

    def __init__(
        self,
        slots: Slots,
        hosts: HostSlots,
        *,
        host_of: Callable[[str], str | None],
        tell: Callable[[str], None],
        wake: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._hosts = hosts
        self._tell = tell
        self._wake = wake
        self._waits: set[str] = set()
        self._calls: list[str] = []
        self._answered: set[str] = set()
        self.host_of = host_of
        self.has_refused = False

    def admits(self, is_suspect: bool) -> bool:
        """Tell whether a subscription of this kind may have a slot; remember if one may not."""
        is_admitted = self._slots.admits(is_suspect)
        self.has_refused = self.has_refused or not is_admitted
        return is_admitted

    @property
    def spare(self) -> int:
        """Say how many may start in this process before only those without attempts may."""
        return self._slots.spare

    def has_room(self, host: str) -> bool:
        """Tell whether an attempt to a host may start now."""
        return self._hosts.has_room(host, self)

    def enter(self, host: str | None, *, is_suspect: bool) -> None:
        """Occupy a slot, and a place at the host where it is known."""
        self._slots.take(is_suspect=is_suspect)
        if host is not None:
            self._hosts.take(host)

    def go(self, host: str | None, *, is_suspect: bool) -> None:
        """Free both, as they were taken."""
        self._slots.release(is_suspect=is_suspect)
        if host is not None:
            self._hosts.release(host)

    def waits(self, subscription: str) -> None:
        """Note that a subscription begins to wait for its host."""
        self._tell(subscription)

    def called(self, host: str) -> None:
        """Take note that there is a place at a host now."""
        self._calls.append(host)
        self._wake()

    def open(self) -> None:
        """Begin a step."""
        self.has_refused = False

    def calls(self) -> Sequence[str]:
        """Return the hosts that called since they were asked last."""
        if not self._calls:
            return ()
        calls, self._calls = self._calls, []
        self._answered.update(calls)
        return calls

    def settle(self, waited_for: Collection[str]) -> None:
        """End a step: stand in the lines of these hosts and no others."""
        if not (self._waits or waited_for):
            return
        answered, self._answered = self._answered, set()
        for host in answered & self._waits:
            self._hosts.answered(host, self, is_waiting=host in waited_for)
        for host in self._waits.difference(waited_for):
            self._hosts.leave(host, self)
        before, self._waits = self._waits, set(waited_for)
        for host in self._waits - before:
            self._hosts.wait(host, self)

    def step_aside(self) -> None:
        """Leave every line: this partition may start nothing now."""
        self.settle(())
