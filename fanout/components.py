"""The long-lived parts of the fan-out as lifecycle components."""

import asyncio
from collections.abc import Sequence
from typing import Protocol


class Reader(Protocol):
    """A part that runs between `start` and `stop` and has nothing to drain."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End; tolerates no start and a second stop."""

    async def wait_failed(self) -> BaseException:
        """Wait until its task crashes, and return why."""
        ...


class GroupMember(Protocol):
    """The part of chassis.ownership.Ownership that is used here."""

    async def run(self, stop: asyncio.Event) -> None:
        """Own partitions until `stop`, then drain, commit and leave."""


class Reading:
    """Starts readers together and stops them in reverse."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers

    async def start(self) -> None:
        """Start all."""
        for reader in self._readers:
            await reader.start()

    async def drain(self, deadline_s: float) -> None:
        """Go on: actors that drain still read."""

    async def stop(self) -> None:
        """Stop all."""
        for reader in reversed(self._readers):
            await reader.stop()

    async def wait_failed(self) -> BaseException:
        """Wait until one of them crashes: without the registry no event can be matched."""
        waiting = [asyncio.create_task(reader.wait_failed()) for reader in self._readers]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in waiting:
                task.cancel()


class Membership:
    """The group member as a task; the intake of the service."""

    def __init__(self, member: GroupMember) -> None:
        self._member = member
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join in the background."""
        if self._task is None and not self._stop.is_set():
            self._task = asyncio.create_task(self._member.run(self._stop), name="fanout-member")

    async def drain(self, deadline_s: float) -> None:
        """Commit what is planned, close the actors and leave the group."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=deadline_s)

    async def stop(self) -> None:
        """End, whatever still runs."""
        self._stop.set()
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def wait_failed(self) -> BaseException:
        """Wait until the member crashes, and return why."""
        if self._task is not None:
            await asyncio.wait({self._task})
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                return error
        await asyncio.Event().wait()
        raise AssertionError
