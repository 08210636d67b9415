"""Who sits where: takeovers, rebalances and deaths, with actors that only remember."""

import asyncio
from collections.abc import Callable

import structlog
from structlog.testing import capture_logs

from chassis.seats import ABANDONED_S, TAKEOVERS_MAX, Actor, OwnershipHooks, Seats
from tests.fakes.actor import RecordingActor


class Hooks(OwnershipHooks):
    """Writes failed takeovers into the journal, of which partition is not told, and who closed."""

    def __init__(self, journal: list[tuple[str, int]], closed: list[tuple[int, Actor]]) -> None:
        self._journal = journal
        self._closed = closed

    def on_takeover_failed(self) -> None:
        """Note it."""
        self._journal.append(("failed", -1))

    def on_closed(self, partition: int, actor: Actor) -> None:
        """Remember it."""
        self._closed.append((partition, actor))


class Room:
    """Seats with everything around them recorded."""

    def __init__(
        self,
        make: Callable[[int], RecordingActor] | None = None,
        *,
        abandoned_s: float = ABANDONED_S,
    ) -> None:
        self.journal: list[tuple[str, int]] = []
        self.made: list[RecordingActor] = []
        self.closed: list[tuple[int, Actor]] = []
        self.sought: list[tuple[int, int]] = []
        self.confirms: list[bool | None] = []
        self.asked = 0
        self._make = make or (lambda p: RecordingActor(p, journal=self.journal, start_at=10 * p))
        self.seats = Seats(
            make_actor=self._make_actor,
            seek=lambda partition, offset: self.sought.append((partition, offset)),
            confirm=self._confirm,
            log=structlog.get_logger(),
            hooks=Hooks(self.journal, self.closed),
            abandoned_s=abandoned_s,
        )

    def _make_actor(self, partition: int) -> RecordingActor:
        self.made.append(self._make(partition))
        return self.made[-1]

    async def _confirm(self) -> bool | None:
        self.asked += 1
        return self.confirms.pop(0) if self.confirms else True

    def running(self) -> list[int]:
        """Return the partitions that may be fed."""
        return sorted(seat.partition for seat, _ in self.seats.running())


async def until(is_true: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110  # state has no event
            await asyncio.sleep(0)


async def test_new_partitions_are_taken_over_then_sought_then_fed() -> None:
    """`assign` returns at once; a partition runs when its actor said where to read from."""
    room = Room()

    room.seats.assign({1, 2}, is_same_member=False)
    assert room.running() == []
    await until(lambda: room.running() == [1, 2])

    assert sorted(room.sought) == [(1, 10), (2, 20)]
    await room.seats.close_all("stop")
    assert {("close:stop", 1), ("close:stop", 2)} <= set(room.journal)


async def test_kept_ones_go_on_lost_ones_close() -> None:
    """A rebalance seeks what stays to where its actor is, and takes nothing over again."""
    room = Room()
    room.seats.assign({1, 2}, is_same_member=False)
    await until(lambda: room.running() == [1, 2])
    room.made[0].position = 15
    room.sought.clear()

    await room.seats.balance(1, 5)
    assert room.seats.is_in_balance
    room.seats.assign({1}, is_same_member=True)
    await until(lambda: ("close:lost", 2) in room.journal)

    assert room.sought == [(1, 15)]
    assert room.running() == [1]
    assert len(room.made) == 2
    assert room.journal.index(("drain", 1)) < room.journal.index(("resume", 1))


async def test_whoever_was_closed_is_told_once() -> None:
    """Those that are lost, those that died, and the last ones: nobody has to keep them."""
    room = Room()
    room.seats.assign({1, 2}, is_same_member=False)
    await until(lambda: room.running() == [1, 2])

    room.seats.assign({1}, is_same_member=True)
    await until(lambda: room.closed == [(2, room.made[1])])
    room.made[0].is_dead = True
    room.seats.sweep()
    await until(lambda: len(room.closed) == 2)
    await room.seats.close_all("stop")

    assert room.closed[1] == (1, room.made[0])
    assert len(room.closed) == len(set(room.closed)) <= 3


async def test_whoever_is_lost_while_its_failed_takeover_ends_is_told_of() -> None:
    """The rebalance cuts that end short; one refused for ever comes by here often."""

    class Clinging(RecordingActor):
        async def close(self, reason: str) -> None:
            if reason == "dead":
                await asyncio.Event().wait()

    async def fail() -> None:
        raise OSError("never")

    room = Room(lambda p: Clinging(p, journal=[], on_take_over=fail))
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: ("failed", -1) in room.journal)

    room.seats.assign(set(), is_same_member=True)

    await until(lambda: room.closed == [(1, room.made[0])])
    await room.seats.close_all("stop")


async def test_after_a_kick_nothing_is_kept() -> None:
    """Somebody else may have had the partition: the old actor closes before the new one begins."""
    room = Room()
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: room.running() == [1])

    room.seats.assign({1}, is_same_member=False)
    await until(lambda: len(room.made) == 2 and room.running() == [1])

    assert [what for what, _ in room.journal] == [
        "take_over",
        "ready",
        "close:lost",
        "take_over",
        "ready",
    ]


async def test_takeovers_are_bounded() -> None:
    """Many partitions at once take over a few at a time."""
    release = asyncio.Event()
    journal: list[tuple[str, int]] = []

    async def wait() -> None:
        await release.wait()

    room = Room(lambda p: RecordingActor(p, journal=journal, on_take_over=wait))
    room.seats.assign(set(range(20)), is_same_member=False)
    await until(lambda: len(journal) == TAKEOVERS_MAX)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(journal) == TAKEOVERS_MAX

    release.set()
    await until(lambda: len(room.running()) == 20)


async def test_a_partition_lost_in_its_takeover_is_closed() -> None:
    """The takeover is cancelled first, then the actor told."""

    async def wait() -> None:
        await asyncio.Event().wait()

    journal: list[tuple[str, int]] = []
    room = Room(lambda p: RecordingActor(p, journal=journal, on_take_over=wait))
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: bool(journal))

    room.seats.assign(set(), is_same_member=True)
    await until(lambda: ("close:lost", 1) in journal)

    assert len(room.seats) == 0
    assert ("ready", 1) not in journal


async def test_a_takeover_that_ends_between_revoked_and_assigned_waits_for_the_word() -> None:
    """It is drained at once, and sought and resumed only when the partition stays."""
    release = asyncio.Event()

    async def wait() -> None:
        await release.wait()

    journal: list[tuple[str, int]] = []
    room = Room(lambda p: RecordingActor(p, journal=journal, on_take_over=wait))
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: bool(journal))
    await room.seats.balance(1, 5)

    release.set()
    await until(lambda: ("drain", 1) in journal)
    assert room.sought == []
    room.seats.assign({1}, is_same_member=True)

    assert room.sought == [(1, 0)]
    assert journal[-1] == ("resume", 1)


async def test_the_word_may_come_while_a_fresh_actor_still_drains() -> None:
    """Its last tick takes a while; then it goes on from where it stands, and is not forgotten."""
    release, drained = asyncio.Event(), asyncio.Event()
    journal: list[tuple[str, int]] = []

    async def wait() -> None:
        await release.wait()

    class Slow(RecordingActor):
        async def drain(self, deadline_s: float) -> None:
            await super().drain(deadline_s)
            await drained.wait()

    room = Room(lambda p: Slow(p, journal=journal, start_at=7, on_take_over=wait))
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: bool(journal))
    await room.seats.balance(1, 5)
    release.set()
    await until(lambda: ("drain", 1) in journal)

    room.seats.assign({1}, is_same_member=True)
    drained.set()
    await until(lambda: room.running() == [1])

    assert room.sought == [(1, 7)]
    assert journal[-1] == ("resume", 1)


async def test_a_failed_takeover_asks_the_group_before_it_tries_again() -> None:
    """A claim fences whoever owns the partition: no answer or a no means wait."""
    failures = [OSError("x")]
    journal: list[tuple[str, int]] = []

    async def fail() -> None:
        if failures:
            raise failures.pop()

    room = Room(lambda p: RecordingActor(p, journal=journal, on_take_over=fail))
    room.confirms = [None, True]
    room.seats.assign({1}, is_same_member=False)

    await until(lambda: room.running() == [1])

    assert room.asked == 2
    assert [what for what, _ in journal] == ["take_over", "close:dead", "take_over", "ready"]


async def test_a_fresh_actor_that_cannot_drain_failed_its_takeover() -> None:
    """Its partition would else stand until it moves away, without a word."""
    release = asyncio.Event()
    failures = [OSError("no")]
    journal: list[tuple[str, int]] = []

    async def wait() -> None:
        await release.wait()

    class Failing(RecordingActor):
        async def drain(self, deadline_s: float) -> None:
            await super().drain(deadline_s)
            if failures:
                raise failures.pop()

    room = Room(lambda p: Failing(p, journal=journal, start_at=7, on_take_over=wait))
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: bool(journal))
    await room.seats.balance(1, 5)
    with capture_logs() as said:
        release.set()
        await until(lambda: ("close:dead", 1) in journal)
    room.seats.assign({1}, is_same_member=True)
    await until(lambda: room.running() == [1])

    assert [entry["event"] for entry in said] == ["ownership.takeover_failed"]
    assert room.asked == 1
    assert room.sought == [(1, 7)]
    assert [what for what, _ in journal] == [
        "take_over",
        "ready",
        "drain",
        "close:dead",
        "take_over",
        "ready",
    ]


async def test_an_actor_that_cannot_be_made_is_made_again() -> None:
    """That is a failed takeover as well; there is nothing to close."""
    failures = [OSError("no")]
    journal: list[tuple[str, int]] = []

    def make(partition: int) -> RecordingActor:
        if failures:
            raise failures.pop()
        return RecordingActor(partition, journal=journal)

    room = Room(make)
    room.seats.assign({1}, is_same_member=False)

    await until(lambda: room.running() == [1])

    assert [what for what, _ in journal] == ["take_over", "ready"]


async def test_one_that_nobody_works_on_is_waiting() -> None:
    """While its takeover fails again and again, which is told each time, and once it is dead."""
    failures = [OSError("no"), OSError("no")]

    async def fail() -> None:
        if failures:
            raise failures.pop()

    room = Room(lambda p: RecordingActor(p, on_take_over=fail if p == 1 else None, start_at=10 * p))
    room.seats.assign({1, 2}, is_same_member=False)
    await until(lambda: room.running() == [2])

    assert room.seats.waiting() == [1]
    await until(lambda: room.running() == [1, 2])

    assert room.journal == [("failed", -1)] * 2
    assert room.seats.waiting() == []
    room.sought.clear()
    last = room.made[-1]
    last.is_dead, last.position = True, 17

    assert room.seats.waiting() == [1]
    room.seats.sweep()

    assert room.seats.waiting() == [1]
    assert room.sought == [(1, 17)]


async def test_a_dead_one_without_the_wish_waits_for_assigned() -> None:
    """Its seat is empty until the group names the partition again."""
    room = Room()
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: room.running() == [1])
    room.made[0].is_dead = True

    room.seats.sweep()
    await until(lambda: ("close:dead", 1) in room.journal)
    assert room.running() == []
    assert len(room.made) == 1
    room.seats.assign({1}, is_same_member=True)
    await until(lambda: room.running() == [1])

    assert len(room.made) == 2


async def test_a_partition_is_not_abandoned_for_good() -> None:
    """`assigned` may have come just before the death: then the group's yes has to do."""
    room = Room(abandoned_s=0.01)
    room.confirms = [False, True]
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: room.running() == [1])
    room.made[0].is_dead = True

    room.seats.sweep()
    await until(lambda: len(room.made) == 2 and room.running() == [1])

    assert room.asked == 2


async def test_a_dead_one_with_the_wish_is_replaced() -> None:
    """After a pause and a yes of the group, without a rebalance."""
    room = Room()
    room.seats.assign({1}, is_same_member=False)
    await until(lambda: room.running() == [1])
    room.made[0].is_dead = room.made[0].needs_takeover = True

    room.seats.sweep()
    await until(lambda: len(room.made) == 2 and room.running() == [1])

    assert room.asked == 1


async def test_a_drain_that_hangs_or_fails_does_not_stop_the_rebalance() -> None:
    """It is cut at the bound; the others were drained, and each kind of end is in the log."""

    class Hanging(RecordingActor):
        async def drain(self, deadline_s: float) -> None:
            if self.partition == 1:
                await asyncio.Event().wait()
            raise ValueError("no") if self.partition == 2 else asyncio.CancelledError

    room = Room(Hanging)
    room.seats.assign({1, 2, 3}, is_same_member=False)
    await until(lambda: room.running() == [1, 2, 3])

    with capture_logs() as said:
        await room.seats.balance(0.01, 0.02)

    told = sorted((entry["event"], entry.get("error")) for entry in said)
    assert told == [
        ("ownership.drain_failed", "ValueError('no')"),
        ("ownership.drain_failed", "cancelled"),
        ("ownership.drain_late", None),
    ]
    room.seats.assign({1, 2, 3}, is_same_member=True)
    assert room.running() == [1, 2, 3]
