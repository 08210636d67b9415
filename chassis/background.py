"""One background task, from its start to its end: what every component with a loop needs.

Not for many short tasks, and not for work that must be finished: `stop` cancels.
"""

import asyncio
from collections.abc import Callable, Coroutine


class BackgroundTask:
    """Run one coroutine that is not meant to end; `name` is how its failure is told."""

    def __init__(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=self._name)

    async def stop(self) -> None:
        """Cancel it and wait until it ended; tolerates no start and a second stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def wait_failed(self) -> BaseException:
        """Return what ended it; waits as long as it runs."""
        task = self._task
        if task is None:
            return RuntimeError(f"{self._name} was not started")
        await asyncio.wait({task})
        if task.cancelled():
            return asyncio.CancelledError()
        return task.exception() or RuntimeError(f"{self._name} ended")
