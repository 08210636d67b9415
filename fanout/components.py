"""The long-lived parts of the fan-out as lifecycle components."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient
from structlog.typing import FilteringBoundLogger

from chassis import kafka, topics
from chassis.refusal import StartRefused
from chassis.settings import KafkaSettings
from schemas.topics import TopicPlan

CLOSE_S_MAX = 2.0


class Reader(Protocol):
    """A part that runs between `start` and `stop` and has nothing to drain."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End; tolerates no start and a second stop."""


class GroupMember(Protocol):
    """The part of chassis.ownership.Ownership that is used here."""

    async def run(self, stop: asyncio.Event) -> None:
        """Own partitions until `stop`, then drain, commit and leave."""


class Preconditions:
    """Wait for the brokers, then refuse to run on wrong topics."""

    def __init__(
        self, settings: KafkaSettings, plans: Sequence[TopicPlan], *, log: FilteringBoundLogger
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._log = log

    async def start(self) -> None:
        """Check runtime, brokers and topics; cancelled by SIGTERM while it waits."""
        kafka.check_runtime()
        never = asyncio.Event()
        while True:
            await kafka.wait_for_brokers(self._settings, self._log, never)
            if await self._verify():
                return

    async def drain(self, deadline_s: float) -> None:
        """Nothing runs."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def _verify(self) -> bool:
        """Look at the topics; False when the brokers went away meanwhile."""
        client: AIOKafkaAdminClient = kafka.admin(self._settings, client_id="hooklane-fanout-start")
        try:
            await kafka.start(client)
            await topics.verify(client, self._plans)
        except (kafka.KafkaUnavailable, OSError, TimeoutError, RuntimeError) as error:
            if isinstance(error, StartRefused):
                raise
            self._log.warning("kafka.topics_not_read", error=repr(error))
            await asyncio.sleep(1)
            return False
        finally:
            await kafka.retire(client, timeout_s=CLOSE_S_MAX)
        return True


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


class Membership:
    """The group member as a task; the intake of the service."""

    def __init__(self, make_member: Callable[[], GroupMember]) -> None:
        self._member = make_member()
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
