"""Keep the tasks of one partition's running attempts."""

import asyncio
from collections.abc import Callable, Coroutine

from deliverer.policy.items import AttemptReport

Finished = Callable[[AttemptReport | None], None]
"""Called with the report, or with None when the attempt was cut off."""


class RunningAttempts:
    """Run attempts as tasks and tell how each ended.

    A defect of ours in an attempt goes to `fail` and counts as cut off: the record goes back.
    """

    def __init__(self, *, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._tasks: set[asyncio.Task[AttemptReport]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[object, object, AttemptReport], finished: Finished) -> None:
        """Run one attempt."""
        task: asyncio.Task[AttemptReport] = asyncio.create_task(work, name="attempt")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, finished))

    async def wait(self, deadline_s: float) -> bool:
        """Wait until none runs, at most so long; return whether none does."""
        if self._tasks and deadline_s > 0:
            await asyncio.wait(set(self._tasks), timeout=deadline_s)
        return not self._tasks

    def cancel(self) -> None:
        """Cut all of them off; their connections close with them."""
        for task in self._tasks:
            task.cancel()

    async def cut(self, deadline_s: float) -> None:
        """Cut all of them off and wait until they ended."""
        self.cancel()
        await self.wait(deadline_s)

    def _done(self, task: asyncio.Task[AttemptReport], finished: Finished) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            finished(None)
            return
        fault = task.exception()
        if fault is not None:
            self._fail(fault)
        finished(None if fault is not None else task.result())
