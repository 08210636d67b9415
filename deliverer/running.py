"""Keep the running attempts of one partition."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from deliverer.attempts import Done
from deliverer.endpoints import PartitionEndpoints
from deliverer.policy.items import Attempt, AttemptReport

AT_ONCE_MAX: Final = 64
"""Requests to build before the first is written: bounds how long that one waits for the others."""


class Prepared(Protocol):
    """An attempt whose request is built (`deliverer.attempts.Making`)."""

    def send(self) -> None:
        """Begin it; raises on a defect of ours."""
        ...

    def cut(self) -> None:
        """End it and tell nothing."""
        ...


Prepare = Callable[[Attempt, PartitionEndpoints, Done], Prepared]
Finished = Callable[[Attempt, AttemptReport | None, int], None]
"""Called with the report, or with None when the attempt was cut off; and when it started."""
_Running = tuple[Prepared | None, int]
"""An attempt whose request could not be built has nothing prepared; and when it started."""


class RunningAttempts:
    """Begin attempts and tell how each ended.

    A defect of ours in an attempt goes to `fail` and counts as cut off: the record goes back.
    """

    def __init__(
        self, prepare: Prepare, *, finished: Finished, fail: Callable[[Exception], None]
    ) -> None:
        self._prepare = prepare
        self._finished = finished
        self._fail = fail
        self._running: dict[Attempt, _Running] = {}
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self, attempts: Sequence[Attempt], endpoints: PartitionEndpoints, *, now_ms: int
    ) -> None:
        """Begin attempts: build all requests, then write them all.

        One by one, what the kernel does for each write drives our own code out of the processor's
        caches, and a delivery costs more (docs/performance.md says how much).
        """
        built: list[tuple[Attempt, Prepared]] = []
        for attempt in attempts:
            prepared: Prepared | None = None
            try:
                prepared = self._prepare(attempt, endpoints, self._done)
                built.append((attempt, prepared))
            except Exception as fault:  # noqa: BLE001 - a defect in one attempt is that one's end
                self._end_soon(attempt, fault)
            self._running[attempt] = (prepared, now_ms)
        for attempt, prepared in built:
            try:
                prepared.send()
            except Exception as fault:  # noqa: BLE001 - as above
                self._end_soon(attempt, fault)

    async def wait(self, deadline_s: float) -> bool:
        """Wait until none runs, at most so long; return whether none does."""
        if self._running and deadline_s > 0:
            self._none_left.clear()
            try:
                async with asyncio.timeout(deadline_s):
                    await self._none_left.wait()
            except TimeoutError:
                return False
        return not self._running

    def cut(self) -> None:
        """Cut all of them off, whatever breaks on the way; their connections close with them."""
        for attempt, (prepared, started_at) in list(self._running.items()):
            if self._running.pop(attempt, None) is not None:
                self._cut(prepared)
                self._finished(attempt, None, started_at)
        self._none_left.set()

    def _cut(self, prepared: Prepared | None) -> None:
        if prepared is None:
            return
        try:
            prepared.cut()
        except Exception as fault:  # noqa: BLE001 - the others are cut off all the same
            self._fail(fault)

    def _done(self, attempt: Attempt, report: AttemptReport | Exception) -> None:
        running = self._running.pop(attempt, None)
        if running is None:
            return
        _, started_at = running
        if isinstance(report, Exception):
            self._fail(report)
            self._finished(attempt, None, started_at)
        else:
            self._finished(attempt, report, started_at)
        if not self._running:
            self._none_left.set()

    def _end_soon(self, attempt: Attempt, fault: Exception) -> None:
        """Whoever starts attempts is in the middle of a step."""
        asyncio.get_running_loop().call_soon(self._done, attempt, fault)
