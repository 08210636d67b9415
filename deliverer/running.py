"""Keep the running attempts of one partition."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from deliverer.attempts import Done
from deliverer.endpoints import PartitionEndpoints
from deliverer.policy.items import Attempt, AttemptReport
from deliverer.sender.port import Cut

Begin = Callable[[Attempt, PartitionEndpoints, Done], Cut]
Finished = Callable[[Attempt, AttemptReport | None, int], None]
"""Called with the report, or with None when the attempt was cut off; and when it started."""


class _Running(NamedTuple):
    cut: Cut
    started_at: int


class RunningAttempts:
    """Begin attempts and tell how each ended.

    A defect of ours in an attempt goes to `fail` and counts as cut off: the record goes back.
    """

    def __init__(
        self, begin: Begin, *, finished: Finished, fail: Callable[[Exception], None]
    ) -> None:
        self._begin = begin
        self._finished = finished
        self._fail = fail
        self._running: dict[Attempt, _Running] = {}
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, attempt: Attempt, endpoints: PartitionEndpoints, *, now_ms: int) -> None:
        """Begin one attempt."""
        try:
            cut = self._begin(attempt, endpoints, self._done)
        except Exception as fault:  # noqa: BLE001 - a defect in one attempt is that one's end
            self._running[attempt] = _Running(_nothing, now_ms)
            asyncio.get_running_loop().call_soon(self._done, attempt, fault)
        else:
            self._running[attempt] = _Running(cut, now_ms)

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
        for attempt, running in list(self._running.items()):
            if self._running.pop(attempt, None) is not None:
                self._cut(running)
                self._finished(attempt, None, running.started_at)
        self._none_left.set()

    def _cut(self, running: _Running) -> None:
        try:
            running.cut()
        except Exception as fault:  # noqa: BLE001 - the others are cut off all the same
            self._fail(fault)

    def _done(self, attempt: Attempt, report: AttemptReport | Exception) -> None:
        running = self._running.pop(attempt, None)
        if running is None:
            return
        if isinstance(report, Exception):
            self._fail(report)
            self._finished(attempt, None, running.started_at)
        else:
            self._finished(attempt, report, running.started_at)
        if not self._running:
            self._none_left.set()


def _nothing() -> None:
    """Cut off what never began."""
