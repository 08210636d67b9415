"""What an owner says before it has a group; the rest needs a broker: tests/integration/chassis."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import RequestTimedOutError
from structlog.testing import capture_logs

from chassis.kafka_seam import Fetched
from chassis.ownership import Ownership
from chassis.seats import Actor
from chassis.settings import KafkaSettings
from tests.fakes.actor import RecordingActor


def ownership(*, make_actor: Callable[[int], Actor] = RecordingActor) -> Ownership:
    """Return one whose broker is nowhere."""
    return Ownership(
        KafkaSettings(bootstrap_servers=("127.0.0.1:1",)),
        topic="t",
        group="g",
        client_id="test",
        make_actor=make_actor,
        log=structlog.get_logger(),
    )


async def test_nothing_is_ours_before_the_group_said_so() -> None:
    """Not joined, nothing assigned, no answer from the group, readiness says why."""
    owner = ownership()

    assert not owner.is_joined
    assert not owner.is_assigned(0)
    assert owner.lag_records() == 0
    assert (owner.assigned(), owner.running(), owner.waiting()) == (0, 0, {})
    assert await owner.ask_group(0, 1) is None
    assert owner.checks()["group"]() == "not a member of g"


async def test_it_tries_on_without_a_broker_and_ends_when_told() -> None:
    """A consumer that cannot start is built anew, and stop ends the wait in between."""
    owner = ownership()
    stop = asyncio.Event()
    with capture_logs() as said:
        running = asyncio.create_task(owner.run(stop))
        async with asyncio.timeout(20):
            while not said:  # noqa: ASYNC110  # what is logged has no event
                await asyncio.sleep(0)

    assert said[0]["event"] == "ownership.consumer_lost"
    stop.set()
    await running

    assert asyncio.all_tasks() == {asyncio.current_task()}


class FailingConsumer:
    """Fails one poll as a fetch error does, after it swallowed what it had read."""

    def __init__(self) -> None:
        self.sought: list[tuple[int, int]] = []

    async def getmany(self, *places: TopicPartition, timeout_ms: int, max_records: int) -> object:
        """Fail."""
        raise RequestTimedOutError

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Note it."""
        self.sought.append((place.partition, offset))


async def test_a_failed_poll_goes_back_to_where_the_actors_are() -> None:
    """The consumer may have moved a position beyond records that it then did not return."""
    owner = ownership()
    consumer = FailingConsumer()
    owner._consumer = consumer
    owner._seats.assign({3}, is_same_member=False)
    while not list(owner._seats.running()):  # noqa: ASYNC110  # state has no event
        await asyncio.sleep(0)
    _, actor = next(owner._seats.running())
    assert isinstance(actor, RecordingActor)
    actor.position = 42
    consumer.sought.clear()

    got = await owner._getmany(consumer, TopicPartition("t", 3), timeout_ms=0)

    assert got == {}
    assert consumer.sought == [(3, 42)]


class UnassignedConsumer:
    """What aiokafka's is until its first assignment came."""

    def __init__(self) -> None:
        self._subscription = SubscriptionState()

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Do as it does."""
        self._subscription.seek(place, offset)


async def test_an_actor_that_died_while_there_was_no_consumer_is_let_go() -> None:
    """The new one cannot seek yet: failing at that, it would be built anew for ever."""
    owner = ownership()
    owner._seats.assign({3}, is_same_member=False)
    while not list(owner._seats.running()):  # noqa: ASYNC110  # state has no event
        await asyncio.sleep(0)
    _, actor = next(owner._seats.running())
    assert isinstance(actor, RecordingActor)
    actor.is_dead = True
    owner._consumer = UnassignedConsumer()

    owner._seats.sweep()

    assert list(owner._seats.running()) == []
    assert owner._seats.waiting() == [3]
    await owner._seats.close_all("stop")


class ReadyActor(RecordingActor):
    """Takes what it is given in the next turn of the loop; until then it has no room."""

    def feed(self, records: list[Fetched], end: int) -> None:
        """Take them soon."""
        super().feed(records, end)
        self.is_full = True
        asyncio.get_running_loop().call_soon(self._take)

    def _take(self) -> None:
        self.is_full = False


class FakeRecord(NamedTuple):
    """The part of a record that is looked at here."""

    offset: int


class ReadyConsumer:
    """Has a record of each partition at once, three times; keeps what it was asked for."""

    def __init__(self, owner: Ownership) -> None:
        self._owner = owner
        self.asked: list[set[int]] = []

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[FakeRecord]]:
        """Answer without waiting."""
        self.asked.append({place.partition for place in places})
        self._owner._is_stopping = len(self.asked) == 3
        return {place: [FakeRecord(len(self.asked))] for place in places}

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Stand anywhere."""


async def test_actors_that_take_at_once_are_asked_after_again() -> None:
    """What is ready in the next turn of the loop is no reason to read others without it."""
    owner = ownership(make_actor=ReadyActor)
    consumer = ReadyConsumer(owner)
    owner._consumer = consumer
    owner._seats.assign({3, 4}, is_same_member=False)
    while len(list(owner._seats.running())) < 2:  # noqa: ASYNC110  # state has no event
        await asyncio.sleep(0)

    await owner._poll(consumer)

    assert consumer.asked == [{3, 4}] * 3
