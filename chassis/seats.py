"""The partitions this process was given, and who works in each of them.

A seat is filled by a takeover: make an actor, let it claim and read its state, seek, go. It
happens outside the rebalance callback, a bounded number at a time, and again with a growing pause
when it fails. Nothing is handed to an actor before its takeover ended, nor between `revoked` and
`assigned`.

    empty --`assigned` names p--> taking over --> running
    taking over --failed--> pause, ask the group whether we are in, taking over
    running --dead, needs a takeover--> pause, ask the group, taking over
    running --dead otherwise--> empty, and after `ABANDONED_S` as if it had wanted one
    any --`assigned` omits p, or the group forgot us meanwhile--> closed ("lost")
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Literal, Protocol

from structlog.typing import FilteringBoundLogger

from chassis.kafka_seam import Fetched

TAKEOVERS_MAX = 8
CLOSE_S = 10.0
DRAIN_MAX_S = 12.0
"""How long a rebalance may wait for drains: the group waits 15 s for a member to come back."""
ABANDONED_S = 20.0
"""How long a dead actor's partition waits for an `assigned` that may have come just before."""
_CONFIRM_PAUSE_S = 0.5
_BACKOFF_S = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_SETTLED_S = 60.0

CloseReason = Literal["lost", "stop", "dead"]


class Actor(Protocol):
    """What works in one partition; all calls come from the event loop, `feed` never blocks."""

    async def take_over(self) -> int:
        """Claim the partition, read its state, return the offset to read from."""
        ...

    def feed(self, records: list[Fetched], end: int) -> None:
        """Take records, maybe none; `end` is the next offset, beyond transaction markers."""
        ...

    def has_room(self) -> bool:
        """Whether more is welcome; call `Ownership.wake` when it becomes so.

        One more `feed` may be on its way when it stops being so.
        """
        ...

    @property
    def position(self) -> int:
        """The next offset it wants; asked after a rebalance, and of a dead one for the lag."""
        ...

    @property
    def is_dead(self) -> bool:
        """Whether it gave up; call `Ownership.wake` when it becomes so."""
        ...

    @property
    def needs_takeover(self) -> bool:
        """Whether a dead one wants a successor as soon as the group confirms that p is ours.

        Else the successor comes with the next `assigned` that names p, or much later.
        """
        ...

    async def drain(self, deadline_s: float) -> None:
        """Start nothing more, wait for what runs, commit; ownership is in the balance.

        What still drains after `DRAIN_MAX_S` is cancelled; one that ends before can tell why.
        """
        ...

    def resume(self) -> None:
        """Go on: p stayed here."""
        ...

    async def close(self, reason: CloseReason) -> None:
        """End; also in the middle of a takeover, and after death."""
        ...


class OwnershipHooks:
    """What a service may count; override what it wants."""

    def on_assigned(self, owned: int, *, gained: int, lost: int) -> None:
        """Tell the outcome of a rebalance in partitions."""

    def on_takeover_failed(self) -> None:
        """Tell that a takeover failed; it is tried again."""

    def on_closed(self, partition: int, actor: Actor) -> None:
        """Tell that an actor was closed; nobody asks it for anything any more."""

    def on_records_lost(self, offsets: int) -> None:
        """Tell that the log began above what was to be read next: retention was faster."""


class Seat:
    """One assigned partition."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.actor: Actor | None = None
        self.is_running = False
        self.is_abandoned = False
        self.end = -1
        self.failures = 0
        self.running_since = 0.0
        self.takeover: asyncio.Task[None] | None = None

    @property
    def is_worked_on(self) -> bool:
        """Whether an actor took it over and has not given up."""
        return self.is_running and self.actor is not None and not self.actor.is_dead


class Seats:
    """All seats of one topic; `Ownership` tells it what the group decided."""

    def __init__(
        self,
        *,
        make_actor: Callable[[int], Actor],
        seek: Callable[[int, int], None],
        confirm: Callable[[], Awaitable[bool | None]],
        log: FilteringBoundLogger,
        hooks: OwnershipHooks,
        abandoned_s: float = ABANDONED_S,
    ) -> None:
        self._abandoned_s = abandoned_s
        self._make_actor = make_actor
        self._seek = seek
        self._confirm = confirm
        self._log = log
        self._hooks = hooks
        self._seats: dict[int, Seat] = {}
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(TAKEOVERS_MAX)
        self.is_in_balance = True

    def __contains__(self, partition: int) -> bool:
        return partition in self._seats

    def __len__(self) -> int:
        return len(self._seats)

    def running(self) -> Iterator[tuple[Seat, Actor]]:
        """Give the seats whose actors may be fed."""
        for seat in self._seats.values():
            if seat.is_running and seat.actor is not None:
                yield seat, seat.actor

    def waiting(self) -> list[int]:
        """List the partitions that nobody works on; any thread may ask."""
        return [seat.partition for seat in list(self._seats.values()) if not seat.is_worked_on]

    async def balance(self, drain_s: float, timeout_s: float) -> None:
        """Feed nobody from here on, and let all finish what runs: the group is in the balance."""
        self.is_in_balance = True
        draining = [asyncio.create_task(a.drain(drain_s)) for _, a in self.running()]
        if not draining:
            return
        done, late = await asyncio.wait(draining, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            self._log.warning("ownership.drain_late", partitions=len(late))
            await asyncio.wait(late, timeout=1)
        for task in done:
            if task.cancelled():
                self._log.error("ownership.drain_failed", error="cancelled")
            elif (error := task.exception()) is not None:
                self._log.error("ownership.drain_failed", error=repr(error))

    def assign(self, partitions: Collection[int], *, is_same_member: bool) -> None:
        """Keep, close and take over as the group decided; returns at once."""
        self.is_in_balance = False
        before = set(self._seats)
        kept = before & set(partitions) if is_same_member else set()
        for partition in sorted(before - kept):
            self._close(self._seats.pop(partition), "lost")
        for partition in sorted(kept):
            self._keep(self._seats[partition])
        gained = sorted(set(partitions) - kept)
        for partition in gained:
            seat = self._seats[partition] = Seat(partition)
            self._take_over(seat, after_s=0)
        self._hooks.on_assigned(len(self._seats), gained=len(gained), lost=len(before - kept))

    def sweep(self) -> None:
        """Close the dead, and take over again those that want it."""
        for seat, actor in list(self.running()):
            if actor.is_dead:
                self._bury(seat, actor, is_wanted=actor.needs_takeover)

    async def close_all(self, reason: CloseReason) -> None:
        """Close every actor and wait for it."""
        for partition in list(self._seats):
            self._close(self._seats.pop(partition), reason)
        if self._closing:
            await asyncio.wait(list(self._closing.values()))

    def _keep(self, seat: Seat) -> None:
        actor = seat.actor
        if seat.is_abandoned and seat.takeover is not None:
            seat.takeover.cancel()
            seat.takeover = None
        if seat.takeover is not None:
            return
        if actor is None:
            self._take_over(seat, after_s=0)
        elif actor.is_dead:
            self._bury(seat, actor, is_wanted=True, after_s=0)
        else:
            self._seek(seat.partition, actor.position)
            actor.resume()

    def _bury(
        self, seat: Seat, actor: Actor, *, is_wanted: bool, after_s: float | None = None
    ) -> None:
        self._log.warning("ownership.dead", partition=seat.partition, is_wanted=is_wanted)
        if asyncio.get_running_loop().time() - seat.running_since > _SETTLED_S:
            seat.failures = 0
        seat.is_running, seat.actor = False, None
        self._close_actor(seat.partition, actor, "dead", None)
        self._seek(seat.partition, actor.position)  # where the lag counts from until the takeover
        if is_wanted:
            self._take_over(seat, after_s=self._pause_of(seat) if after_s is None else after_s)
        else:
            # The group may have refused it in the same moment as it gave it the partition again:
            # no further `assigned` would come. A yes of the group under its present generation
            # says the same.
            self._take_over(seat, after_s=self._abandoned_s)
            seat.is_abandoned = True

    def _take_over(self, seat: Seat, *, after_s: float) -> None:
        seat.is_abandoned = False
        seat.takeover = asyncio.create_task(
            self._occupy(seat, after_s), name=f"takeover-{seat.partition}"
        )

    def _pause_of(self, seat: Seat) -> float:
        seat.failures += 1
        return _BACKOFF_S[min(seat.failures, len(_BACKOFF_S)) - 1]

    async def _occupy(self, seat: Seat, after_s: float) -> None:
        closing = self._closing.get(seat.partition)
        if closing is not None:
            await asyncio.wait({closing})
        while True:
            if after_s:
                await self._wait_confirmed(after_s)
                seat.is_abandoned = False
            if await self._try_takeover(seat):
                seat.takeover = None
                return
            after_s = self._pause_of(seat)

    async def _wait_confirmed(self, after_s: float) -> None:
        """Wait, and then until the group says that we are in: a claim fences whoever owns p."""
        while True:
            await asyncio.sleep(after_s)
            if not self.is_in_balance and await self._confirm() is True:
                return
            after_s = _CONFIRM_PAUSE_S

    async def _try_takeover(self, seat: Seat) -> bool:
        actor = None
        try:
            async with self._gate:
                actor = seat.actor = self._make_actor(seat.partition)
                position = await actor.take_over()
            is_drained = self.is_in_balance
            if is_drained:
                await actor.drain(0)  # the next `assigned` seeks and resumes, or closes
        except Exception as error:  # noqa: BLE001  # one partition's trouble stays its own
            self._hooks.on_takeover_failed()
            self._log.error(
                "ownership.takeover_failed", partition=seat.partition, error=repr(error)
            )
            if actor is not None:
                await self._end_actor(seat.partition, actor, "dead")
            seat.actor = None  # a rebalance before that closes it once more, and tells of it
            return False
        if not self.is_in_balance:  # it may have come while the last tick of the drain was written
            self._seek(seat.partition, position)
            if is_drained:
                actor.resume()
        seat.end, seat.is_running = position, True
        seat.running_since = asyncio.get_running_loop().time()
        return True

    def _close(self, seat: Seat, reason: CloseReason) -> None:
        seat.is_running = False
        self._close_actor(seat.partition, seat.actor, reason, seat.takeover)

    def _close_actor(
        self,
        partition: int,
        actor: Actor | None,
        reason: CloseReason,
        takeover: asyncio.Task[None] | None,
    ) -> None:
        if takeover is not None:
            takeover.cancel()
        before = self._closing.get(partition)
        task = asyncio.create_task(
            self._end(partition, actor, reason, (takeover, before)), name=f"close-{partition}"
        )
        self._closing[partition] = task
        task.add_done_callback(lambda done: self._forget_closing(partition, done))

    def _forget_closing(self, partition: int, task: asyncio.Task[None]) -> None:
        if self._closing.get(partition) is task:
            del self._closing[partition]

    async def _end(
        self,
        partition: int,
        actor: Actor | None,
        reason: CloseReason,
        first: tuple[asyncio.Task[None] | None, ...],
    ) -> None:
        waiting = {task for task in first if task is not None}
        if waiting:
            await asyncio.wait(waiting, timeout=CLOSE_S)
        if actor is not None:
            await self._end_actor(partition, actor, reason)

    async def _end_actor(self, partition: int, actor: Actor, reason: CloseReason) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await actor.close(reason)
        except Exception as error:  # noqa: BLE001  # closing goes on with the other partitions
            self._log.error("ownership.close_failed", partition=partition, error=repr(error))
        self._hooks.on_closed(partition, actor)
