"""A group's partitions in the hands of actors, against a real broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka.protocol.group import LeaveGroupRequest
from structlog.typing import FilteringBoundLogger

from chassis.kafka import Record
from chassis.ownership import Ownership, OwnershipHooks
from chassis.settings import KafkaSettings
from tests.fakes.actor import RecordingActor
from tests.integration.chassis.conftest import Commit, MakeTopic, read_all, remove_below, until
from tests.integration.chassis.copying import copier

pytestmark = pytest.mark.kafka


class Hooks(OwnershipHooks):
    """Remembers how many offsets were lost each time."""

    def __init__(self, lost: list[int]) -> None:
        self._lost = lost

    def on_records_lost(self, offsets: int) -> None:
        """Note it."""
        self._lost.append(offsets)


class Member:
    """One member of a group with its actors; `journal` is the order in which things happened."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        log: FilteringBoundLogger,
        *,
        number: int,
        make: Callable[..., RecordingActor] = RecordingActor,
    ) -> None:
        self.journal: list[tuple[str, int]] = []
        self.actors: dict[int, RecordingActor] = {}
        self.made: list[RecordingActor] = []
        self.lost: list[int] = []
        self._make = make
        self.stop = asyncio.Event()
        self.ownership = Ownership(
            settings,
            topic=topic,
            group=f"{topic}-group",
            client_id=f"member-{number}",  # the assignor sorts by it: the first has the lower half
            make_actor=self._make_actor,
            log=log,
            drain_s=0.5,
            hooks=Hooks(self.lost),
        )
        self.task = asyncio.create_task(self.ownership.run(self.stop))

    def _make_actor(self, partition: int) -> RecordingActor:
        actor = self._make(partition, journal=self.journal)
        self.actors[partition] = actor
        self.made.append(actor)
        return actor

    def owns(self, *partitions: int) -> bool:
        """Whether exactly these are assigned and their actors are ready."""
        ready = {p for what, p in self.journal if what == "ready"}
        return ready >= set(partitions) and all(
            self.ownership.is_assigned(p) is (p in partitions) for p in range(4)
        )

    async def leave(self) -> None:
        """Stop in order."""
        self.stop.set()
        await self.task


@pytest.fixture
async def join(
    settings: KafkaSettings, log: FilteringBoundLogger
) -> AsyncIterator[Callable[..., Member]]:
    """Give a factory of members that leave at the end of the test."""
    members: list[Member] = []

    def make(topic: str, **options: Callable[..., RecordingActor]) -> Member:
        members.append(Member(settings, topic, log, number=len(members), **options))
        return members[-1]

    yield make
    for member in members:
        await member.leave()


def one_each(topic: str, partitions: int, value: bytes = b"x") -> list[Record]:
    """Return a record for every partition."""
    return [Record(topic, p, None, value) for p in range(partitions)]


async def test_nothing_is_fed_before_its_takeover_ended(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """Records wait in the log while one takeover hangs; the other partition is served."""
    topic = await make_topic(partitions=2)
    await commit(one_each(topic, 2))
    release = asyncio.Event()

    async def hang() -> None:
        await release.wait()

    def make(partition: int, **options: Any) -> RecordingActor:
        return RecordingActor(partition, on_take_over=hang if partition == 0 else None, **options)

    member = join(topic, make=make)
    await until(lambda: 1 in member.actors and member.actors[1].offsets == [0])
    assert member.actors[0].offsets == []
    release.set()
    await until(lambda: member.actors[0].offsets == [0])

    assert member.journal.index(("ready", 0)) < member.journal.index(("feed", 0))


async def test_what_waits_for_a_takeover_that_fails_is_lag(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """Of the other partition nothing is left; the offset of the group is where it begins."""
    topic = await make_topic(partitions=2)
    await commit([*one_each(topic, 2), *one_each(topic, 2)])

    async def fail() -> None:
        raise OSError("never")

    def make(partition: int, **options: Any) -> RecordingActor:
        return RecordingActor(partition, on_take_over=fail if partition == 0 else None, **options)

    member = join(topic, make=make)
    await until(lambda: member.ownership.is_assigned(0) and member.ownership.running() == 1)
    await until(lambda: member.actors[1].position == 3)  # two records and their marker
    await until(lambda: member.ownership.lag_records() == 3)
    owned = member.ownership

    assert (owned.assigned(), owned.running(), owned.waiting()) == (2, 1, {0: 0})


async def test_lag_is_what_the_actors_have_not_read(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """Nothing is left once the markers were read over; an actor without room shows it.

    How much of it (the record, or its marker, too) depends on when the fetch was answered.
    """
    topic = await make_topic(partitions=2)

    def make(partition: int, **options: Any) -> RecordingActor:
        return RecordingActor(partition, is_full=partition == 0, **options)

    member = join(topic, make=make)
    await until(lambda: member.owns(0, 1))
    await commit(one_each(topic, 2))
    await until(lambda: member.actors[1].position == 2)
    await until(lambda: member.ownership.lag_records() in {1, 2})

    member.actors[0].is_full = False
    member.ownership.wake()
    await until(lambda: member.ownership.lag_records() == 0)


async def test_what_retention_took_before_it_was_read_is_told(
    settings: KafkaSettings, make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """The log begins above the position: Kafka's client goes on there and says nothing."""
    topic = await make_topic(partitions=2)
    for _ in range(3):
        await commit(one_each(topic, 2))
    await remove_below(settings, topic, 0, offset=3)

    member = join(topic)
    await until(lambda: len(member.actors) == 2)
    await until(lambda: member.actors[0].offsets == [4] and member.actors[1].offsets == [0, 2, 4])

    assert member.lost == [3]


async def test_partitions_move_to_a_second_member_and_back(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """1 → 2 → 1 members: the kept ones see every offset once, the moved ones change hands."""
    topic = await make_topic(partitions=4)
    first = join(topic)
    await until(lambda: first.owns(0, 1, 2, 3))
    await commit(one_each(topic, 4))
    await until(lambda: all(first.actors[p].offsets == [0] for p in range(4)))

    second = join(topic)
    await until(lambda: second.owns(2, 3) and first.owns(0, 1))
    await commit(one_each(topic, 4))
    await until(lambda: all(first.actors[p].offsets == [0, 2] for p in (0, 1)))
    await until(lambda: all(second.actors[p].offsets == [0, 2] for p in (2, 3)))
    await until(lambda: {("close:lost", 2), ("close:lost", 3)} <= set(first.journal))

    await first.leave()
    await until(lambda: second.owns(0, 1, 2, 3))
    await commit(one_each(topic, 4))
    await until(lambda: all(second.actors[p].offsets == [0, 2, 4] for p in range(4)))

    assert first.journal.count(("take_over", 0)) == 1
    assert first.journal.index(("drain", 0)) < first.journal.index(("resume", 0))
    assert ("close:stop", 0) in first.journal
    assert second.journal.count(("take_over", 2)) == 1
    assert ("resume", 2) in second.journal


async def test_the_end_moves_past_markers_without_records(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """An actor is told the position behind the transaction's marker, so lag can reach zero."""
    topic = await make_topic(partitions=1)
    member = join(topic)
    await until(lambda: 0 in member.actors)
    await commit(one_each(topic, 1))

    await until(lambda: member.actors[0].position == 2)

    assert member.actors[0].offsets == [0]


async def test_a_kicked_member_is_refused_and_starts_afresh(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """The group's answer: yes, then after a kick no; what it gets back is taken over anew."""
    topic = await make_topic(partitions=1)
    await commit(one_each(topic, 1))
    member = join(topic)
    await until(lambda: 0 in member.actors and member.actors[0].offsets == [0])
    assert await member.ownership.ask_group(0, 1) is True
    assert await member.ownership.ask_group(3, 1) is False

    consumer: Any = member.ownership._consumer
    coordinator = consumer._coordinator
    await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))
    answer = await member.ownership.ask_group(0, 1)

    assert answer is False
    await until(lambda: len(member.made) == 2 and member.made[1].offsets == [0])
    assert [what for what, _ in member.journal if what in ("take_over", "close:lost")] == [
        "take_over",
        "close:lost",
        "take_over",
    ]
    assert await member.ownership.ask_group(0, 1) is True


async def test_an_actor_without_room_gets_nothing_until_it_wakes_the_loop(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """A full partition is left out, its neighbour goes on; nothing is lost by waiting."""
    topic = await make_topic(partitions=2)
    member = join(topic, make=lambda p, **options: RecordingActor(p, is_full=p == 0, **options))
    await until(lambda: member.owns(0, 1))
    await commit(one_each(topic, 2))
    await until(lambda: member.actors[1].offsets == [0])
    assert member.actors[0].offsets == []
    member.actors[1].is_full = True
    await commit(one_each(topic, 2))

    member.actors[0].is_full = member.actors[1].is_full = False
    member.ownership.wake()

    await until(lambda: all(member.actors[p].offsets == [0, 2] for p in (0, 1)))


async def test_a_dead_actor_that_wants_it_is_replaced_while_the_group_has_us(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """One death with the wish, one without: only the first has a successor before a rebalance."""
    topic = await make_topic(partitions=2)
    member = join(topic)
    await until(lambda: member.owns(0, 1))
    member.actors[0].needs_takeover = True
    member.actors[0].is_dead = member.actors[1].is_dead = True
    member.ownership.wake()
    await until(lambda: len(member.made) == 3 and member.made[2].partition == 0)
    await commit(one_each(topic, 2))
    await until(lambda: member.made[2].offsets == [0])
    assert {("close:dead", 0), ("close:dead", 1)} <= set(member.journal)
    assert [actor.partition for actor in member.made].count(1) == 1

    other = join(topic)
    await until(lambda: 1 in other.actors and other.actors[1].offsets == [0])
    await other.leave()

    await until(lambda: member.actors[1].offsets == [0])


async def test_a_failing_takeover_is_tried_again(
    make_topic: MakeTopic, commit: Commit, join: Callable[..., Member]
) -> None:
    """What take_over raises costs a pause and a fresh actor, and no other partition."""
    topic = await make_topic(partitions=1)
    await commit(one_each(topic, 1))
    failures = [OSError("one"), ValueError("two")]

    async def fail() -> None:
        if failures:
            raise failures.pop()

    member = join(topic, make=lambda p, **options: RecordingActor(p, on_take_over=fail, **options))

    await until(lambda: len(member.made) == 3 and member.made[2].offsets == [0])

    assert member.journal.count(("close:dead", 0)) == 2


async def test_real_ticks_across_a_rebalance_lose_and_repeat_nothing(
    settings: KafkaSettings,
    make_topic: MakeTopic,
    commit: Commit,
    prefix: str,
) -> None:
    """Actors that copy by transactional ticks: the output equals the input, in order."""
    source = await make_topic("source", partitions=4)
    target = await make_topic("target", partitions=4)
    stops = [asyncio.Event(), asyncio.Event()]
    tasks: list[asyncio.Task[None]] = []

    def start() -> None:
        ownership = copier(settings, prefix, source, target)
        tasks.append(asyncio.create_task(ownership.run(stops[len(tasks)])))

    async def write(first: int, count: int) -> None:
        for number in range(first, first + count, 20):
            values = [str(n).encode() for n in range(number, number + 20)]
            await commit([Record(source, p, None, v) for v in values for p in range(4)])

    start()
    await write(0, 100)
    start()
    await write(100, 400)
    stops[0].set()
    await tasks[0]
    await write(500, 100)
    expected = [str(n).encode() for n in range(600)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            for partition in range(4):
                while len(await read_all(settings, target, partition)) < len(expected):
                    pass
    stops[1].set()
    await tasks[1]

    for partition in range(4):
        assert await read_all(settings, target, partition) == expected
