"""From a consumer group to partition actors: who owns what, and what they are fed.

One poll loop reads the input topic for all actors of this process. A partition whose actor has no
room is left out of `getmany`; when none has room the loop sleeps until one calls `wake`. Records
that were read across a rebalance are thrown away: aiokafka drops all positions then, also of
partitions that stay, and hands records out while its own callback still runs.
`getmany` is never cancelled while its consumer lives, and never gets an empty list (it means all).
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from structlog.typing import FilteringBoundLogger

from chassis import kafka, kafka_seam
from chassis.kafka import KafkaUnavailable
from chassis.kafka_seam import Fetched
from chassis.seats import DRAIN_MAX_S, Actor, OwnershipHooks, Seats
from chassis.settings import KafkaSettings

__all__ = ["Actor", "Ownership", "OwnershipHooks"]

POLL_MS = 150
POLL_WHILE_FULL_MS = 10
"""How long a partition that just got room waits behind the poll of the others."""
RECORDS_MAX = 300
IDLE_S = 0.25
STUCK_S = 60.0
ASK_S = 5.0
_REBUILD_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_DRAIN_MARGIN_S = 8.0

T = TypeVar("T")


class Ownership:
    """One member of a consumer group; `run` once."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topic: str,
        group: str,
        client_id: str,
        make_actor: Callable[[int], Actor],
        log: FilteringBoundLogger,
        drain_s: float = 3.0,
        hooks: OwnershipHooks | None = None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._group = group
        self._client_id = client_id
        self._drain_s = drain_s
        self._log = log
        self._hooks = hooks or OwnershipHooks()
        self._seats = Seats(
            make_actor=make_actor,
            seek=self._seek,
            confirm=self._confirm,
            log=log,
            hooks=self._hooks,
        )
        self._consumer: AIOKafkaConsumer | None = None
        self._member_id = ""
        self._epoch = 0
        self._balancing_since = 0.0
        self._polled_at = 0.0
        self._is_stopping = False
        self._awake = asyncio.Event()
        self._nowhere = TopicPartition(topic, 2**31 - 1)

    @property
    def is_joined(self) -> bool:
        """Whether the group counts us in, as far as we know."""
        consumer = self._consumer
        return bool(self._member_id) and kafka_seam.generation(consumer) >= 0

    def checks(self) -> Mapping[str, Callable[[], bool | str]]:
        """Return what /readyz asks."""
        return {"group": lambda: self.is_joined or f"not a member of {self._group}"}

    def is_assigned(self, partition: int) -> bool:
        """Whether the last `assigned` named the partition."""
        return partition in self._seats and self.is_joined

    def assigned(self) -> int:
        """Count the partitions that the group gave us; any thread may ask."""
        return len(self._seats)

    def running(self) -> int:
        """Count those that are taken over and worked on; any thread may ask."""
        return max(0, len(self._seats) - len(self._seats.waiting()))

    def waiting(self) -> dict[int, int]:
        """Return where the partitions stand that nobody works on, as far as that is known.

        It is the offset of the group, or the first of the log where the group has none that lies in
        it. Any thread may ask.
        """
        consumer = self._consumer
        places = [TopicPartition(self._topic, partition) for partition in self._seats.waiting()]
        found = (
            (place.partition, None if consumer is None else kafka_seam.position_of(consumer, place))
            for place in places
        )
        return {partition: position for partition, position in found if position is not None}

    def lag_records(self) -> int:
        """Return how far our partitions are behind, as of the last fetch answers.

        Of one that nobody works on no more is known than was fetched in advance.
        """
        consumer, lag = self._consumer, 0
        stands = self.waiting() | {s.partition: a.position for s, a in self._seats.running()}
        for partition, position in stands.items():
            place = TopicPartition(self._topic, partition)
            end = None if consumer is None else kafka_seam.stable_end_of(consumer, place)
            lag += max(0, (end or 0) - position)
        return lag

    def wake(self) -> None:
        """Look again at once: an actor has room, or is dead."""
        self._awake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Own partitions until `stop`; then drain, commit, close and leave the group."""
        failures = 0
        try:
            while not stop.is_set():
                joined_before = self._epoch
                try:
                    await self._attend(stop)
                except (RuntimeError, OSError, TimeoutError, AssertionError, KafkaUnavailable) as e:
                    failures = 0 if self._epoch > joined_before else failures
                    pause_s = _REBUILD_S[min(failures, len(_REBUILD_S) - 1)]
                    failures += 1
                    self._log.error("ownership.consumer_lost", error=repr(e), pause_s=pause_s)
                    await self._drop_consumer()
                    await kafka.wait_or_stop(stop, pause_s)
            await self._seats.balance(self._drain_s, self._drain_s + _DRAIN_MARGIN_S)
        finally:
            await self._seats.close_all("stop")
            await self._drop_consumer()

    async def ask_group(self, partition: int, offset: int) -> bool | None:
        """Ask by one ordinary group commit whether the partition is ours (PROTOCOL C4).

        True: accepted. False: refused. None: no answer in 5 s, or the group changed meanwhile;
        ask again. A member that was kicked resets to generation -1, which an empty group accepts:
        hence the look before and after.
        """
        consumer = self._consumer
        if consumer is None:
            return None
        generation = kafka_seam.generation(consumer)
        if generation < 0:
            return False
        place = TopicPartition(self._topic, partition)
        try:
            async with asyncio.timeout(ASK_S):
                await consumer.commit({place: OffsetAndMetadata(offset, "")})
        except (CommitFailedError, IllegalStateError):
            return False
        except (KafkaError, OSError, TimeoutError):
            return None
        after = kafka_seam.generation(consumer)
        if after < 0:
            return False
        return True if after == generation and consumer is self._consumer else None

    async def _attend(self, stop: asyncio.Event) -> None:
        """Join with a new consumer and poll until `stop`, or until the consumer fails."""
        loop = asyncio.get_running_loop()
        self._balancing_since = loop.time()
        consumer = kafka.consumer(self._settings, client_id=self._client_id, group=self._group)
        if not await _unless(stop, kafka.start(consumer)):
            return
        self._consumer = consumer
        consumer.subscribe([self._topic], listener=_Listener(self, consumer))
        self._polled_at = loop.time()
        polling = asyncio.create_task(self._poll(consumer), name="ownership-poll")
        stopping = asyncio.create_task(stop.wait())
        try:
            while not polling.done() and not stopping.done():
                await asyncio.wait(
                    {polling, stopping}, timeout=5, return_when=asyncio.FIRST_COMPLETED
                )
                if loop.time() - self._polled_at > STUCK_S:
                    raise KafkaUnavailable(f"no poll ended in {STUCK_S:g} s")
            self._is_stopping = stopping.done()
            self.wake()
            await asyncio.wait({polling}, timeout=1)
            if polling.done():
                await polling
        finally:
            stopping.cancel()
            if not polling.done():
                polling.cancel()  # allowed here only: this consumer is not used again
                await asyncio.wait({polling})

    async def _drop_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._seats.is_in_balance = True
        self._epoch += 1
        if consumer is not None:
            await kafka.retire(consumer, timeout_s=3)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_stopping:
            self._polled_at = loop.time()
            self._awake.clear()
            self._seats.sweep()
            if self._seats.is_in_balance:
                self._check_balance(consumer)
                await self._nap()
                continue
            running = list(self._seats.running())
            places = [TopicPartition(self._topic, s.partition) for s, a in running if a.has_room()]
            if not places:
                # Keeps aiokafka from leaving the group for idleness, and shows its errors.
                await self._getmany(consumer, self._nowhere, timeout_ms=0)
                await self._nap()
                continue
            epoch = self._epoch
            timeout_ms = POLL_MS if len(places) == len(running) else POLL_WHILE_FULL_MS
            got = await self._getmany(consumer, *places, timeout_ms=timeout_ms)
            if epoch == self._epoch:
                self._feed(consumer, got)
                await asyncio.sleep(0)  # what the actors take at once is no reason to leave any out
            else:
                self._discard(got)

    async def _getmany(
        self, consumer: AIOKafkaConsumer, *places: TopicPartition, timeout_ms: int
    ) -> dict[TopicPartition, list[Fetched]]:
        try:
            got: dict[TopicPartition, list[Fetched]] = await consumer.getmany(
                *places, timeout_ms=timeout_ms, max_records=RECORDS_MAX
            )
        except KafkaError as error:
            if not error.retriable:
                raise
            self._log.warning("ownership.poll_failed", error=repr(error))
            # One partition's error may have swallowed what was read of another.
            for seat, actor in self._seats.running():
                self._seek(seat.partition, actor.position)
            await asyncio.sleep(IDLE_S)
            return {}
        return got

    def _feed(self, consumer: AIOKafkaConsumer, got: dict[TopicPartition, list[Fetched]]) -> None:
        for seat, actor in list(self._seats.running()):
            place = TopicPartition(self._topic, seat.partition)
            self._tell_skipped(consumer, place)
            records = got.get(place, [])
            end = kafka_seam.position_of(consumer, place)
            if end is None:
                end = records[-1].offset + 1 if records else seat.end
            if records or end > seat.end:
                seat.end = end
                actor.feed(records, end)

    def _tell_skipped(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
        skipped = kafka_seam.take_skipped(consumer, place)
        if skipped:
            self._hooks.on_records_lost(len(skipped))
            self._log.error(
                "ownership.records_lost",
                partition=place.partition,
                first_lost=skipped.start,
                lost=len(skipped),
            )

    def _discard(self, got: dict[TopicPartition, list[Fetched]]) -> None:
        """Throw records away that a rebalance overtook, and go back to where their actors are."""
        for seat, actor in list(self._seats.running()):
            if TopicPartition(self._topic, seat.partition) in got:
                self._seek(seat.partition, actor.position)

    def _check_balance(self, consumer: AIOKafkaConsumer) -> None:
        fault = kafka_seam.coordination_fault(consumer)
        if fault is not None:
            raise KafkaUnavailable(f"coordination ended: {fault!r}") from fault
        if asyncio.get_running_loop().time() - self._balancing_since > STUCK_S:
            raise KafkaUnavailable(f"no assignment in {STUCK_S:g} s")

    async def _nap(self) -> None:
        await kafka.wait_or_stop(self._awake, IDLE_S)

    def _seek(self, partition: int, offset: int) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        try:
            consumer.seek(TopicPartition(self._topic, partition), offset)
        except (IllegalStateError, AssertionError):  # not ours now; or no assignment came yet
            self._log.debug("ownership.seek_overtaken", partition=partition)

    async def _confirm(self) -> bool | None:
        consumer = self._consumer
        return None if consumer is None else await kafka_seam.confirm_membership(consumer)

    async def on_revoked(self, consumer: AIOKafkaConsumer) -> None:
        """Let every actor finish and commit while the group still counts us in."""
        if consumer is not self._consumer:
            return
        self._epoch += 1
        self._balancing_since = asyncio.get_running_loop().time()
        timeout_s = min(self._drain_s + _DRAIN_MARGIN_S, DRAIN_MAX_S)
        await self._seats.balance(self._drain_s, timeout_s)
        self._balancing_since = asyncio.get_running_loop().time()

    def on_assigned(self, consumer: AIOKafkaConsumer, partitions: set[int]) -> None:
        """Start and end actors; does not wait, as no heartbeat is sent meanwhile."""
        if consumer is not self._consumer:
            return
        member = kafka_seam.member_id(consumer)
        is_same = member == self._member_id
        self._member_id = member
        self._epoch += 1
        self._seats.assign(partitions, is_same_member=is_same)
        self._log.info("ownership.assigned", partitions=sorted(partitions), is_same_member=is_same)
        self.wake()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Speaks for one consumer; a replaced one is not listened to."""

    def __init__(self, ownership: Ownership, consumer: AIOKafkaConsumer) -> None:
        self._ownership = ownership
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called before each join, also after a kick."""
        await self._ownership.on_revoked(self._consumer)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called after each join, before heartbeats start again."""
        self._ownership.on_assigned(self._consumer, {place.partition for place in assigned})


async def _unless(stop: asyncio.Event, work: Coroutine[object, object, T]) -> bool:
    """Do the work unless `stop` comes first; True when it was done."""
    doing = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            return False
        await doing
        return True
    finally:
        stopping.cancel()
        doing.cancel()
        await asyncio.wait({doing})
