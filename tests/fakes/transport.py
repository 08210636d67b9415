"""A loop whose time is moved by hand and a transport without a socket, for protocol tests."""

import asyncio
from collections.abc import Callable
from typing import Any


class HandTimer:
    """One timer of a `HandLoop`."""

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.when = when
        self.callback = callback
        self.args = args
        self.is_cancelled = False

    def cancel(self) -> None:
        """Never fire."""
        self.is_cancelled = True


class HandLoop:
    """The part of an event loop that connections and pools use."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[HandTimer] = []

    def time(self) -> float:
        """Read the hand."""
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future; its callbacks never run here."""
        return asyncio.Future(loop=asyncio.get_running_loop())

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> HandTimer:
        """Keep a timer until `advance` passes it."""
        timer = HandTimer(when, callback, args)
        self.timers.append(timer)
        return timer

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> HandTimer:
        """Keep a timer until `advance` passes it."""
        return self.call_at(self.now + delay, callback, *args)

    def advance(self, seconds: float) -> None:
        """Move time on and fire what is due, in order."""
        end = self.now + seconds
        while due := [t for t in self.timers if not t.is_cancelled and t.when <= end]:
            timer = min(due, key=lambda t: t.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.callback(*timer.args)
        self.now = end

    @property
    def armed(self) -> int:
        """How many timers may still fire."""
        return sum(not timer.is_cancelled for timer in self.timers)


class FakeTransport:
    """Records what is written; closing is announced by the test, as a loop would later."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False
        self.is_aborted = False

    def get_extra_info(self, name: str) -> None:
        """There is no socket."""

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.written.append(data)

    def close(self) -> None:
        """Close politely."""
        self.is_closed = True

    def abort(self) -> None:
        """Close at once."""
        self.is_closed = self.is_aborted = True
