"""Batches, deadlines and producers that fail."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis import logs
from chassis.kafka import BATCH_BYTES, KafkaUnavailable, Record
from gateway.problems import Code
from gateway.publish import BatchingPublisher, NotPublished, Published
from tests.contract.gateway import PublisherContract
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.gateway import MemoryPublisher, ScriptedAppender

LONG_S = 30.0


class Bench:
    """A publisher over scripted producers, the newest last."""

    def __init__(
        self, deadline_s: float = LONG_S, failing_starts: int = 0, linger_s: float = 0.005
    ) -> None:
        self.moved = asyncio.Event()
        self.made: list[ScriptedAppender] = []
        self.failing_starts = failing_starts
        self.publisher = BatchingPublisher(
            self.make,
            deadline_s=deadline_s,
            linger_s=linger_s,
            log=logs.get("test"),
            backoff_s=0.001,
        )

    def make(self) -> ScriptedAppender:
        """Make the next producer."""
        fails = len(self.made) < self.failing_starts
        self.made.append(ScriptedAppender(self.moved, fails_start=fails))
        return self.made[-1]

    def send(self, value: bytes, partition: int = 0) -> "asyncio.Task[Published | NotPublished]":
        """Publish beside the test."""

        async def publish() -> Published | NotPublished:
            record = Record("events", partition, b"acme", value)
            (outcome,) = await self.publisher.publish([record])
            return outcome

        return asyncio.create_task(publish())

    async def batches(self, count: int, producer: int = 0) -> list[list[bytes | None]]:
        """Wait until a producer was given so many batches."""
        async with asyncio.timeout(5):
            while producer >= len(self.made) or len(self.made[producer].batches) < count:
                self.moved.clear()
                await self.moved.wait()
        return [[record.value for record in batch] for batch in self.made[producer].batches]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Start a bench and end it."""
    made = Bench()
    await made.publisher.start()
    yield made
    await made.publisher.stop()


async def test_what_waits_goes_together_and_everyone_learns_his_place(bench: Bench) -> None:
    """The first goes alone, the rest as one batch behind it, in the order of requests."""
    first = bench.send(b"0")
    await bench.batches(1)
    rest = [bench.send(str(n).encode()) for n in (1, 2, 3)]

    bench.made[0].answers.put_nowait(40)
    assert await bench.batches(2) == [[b"0"], [b"1", b"2", b"3"]]
    bench.made[0].answers.put_nowait(50)

    assert await first == Published(0, 40)
    assert [await task for task in rest] == [Published(0, 50), Published(0, 51), Published(0, 52)]


async def test_nobody_is_answered_before_kafka(bench: Bench) -> None:
    """P1: a 202 means acks=all."""
    task = bench.send(b"0")
    await bench.batches(1)

    assert not task.done()
    bench.made[0].answers.put_nowait(0)
    await task


async def test_partitions_do_not_wait_for_one_another(bench: Bench) -> None:
    """A slow leader costs its own partition only."""
    slow = bench.send(b"a", partition=0)
    await bench.batches(1)
    bench.send(b"b", partition=1)

    assert await bench.batches(2) == [[b"a"], [b"b"]]
    bench.made[0].answers.put_nowait(1)
    bench.made[0].answers.put_nowait(1)
    await slow


async def test_a_partition_has_one_batch_under_way(bench: Bench) -> None:
    """Two could overtake each other: the order of requests is that of the log."""
    opener = bench.send(b"0", partition=0)
    await bench.batches(1)
    behind = bench.send(b"1", partition=0)
    bench.send(b"x", partition=1)

    assert await bench.batches(2) == [[b"0"], [b"x"]]
    bench.made[0].answers.put_nowait(5)
    bench.made[0].answers.put_nowait(0)
    assert (await bench.batches(3))[2] == [b"1"]
    bench.made[0].answers.put_nowait(6)

    assert (await opener, await behind) == (Published(0, 5), Published(0, 6))


async def test_what_did_not_fit_does_not_wait_for_others() -> None:
    """It goes as soon as what went before it is answered, whatever the linger."""
    made = Bench(linger_s=LONG_S)
    await made.publisher.start()
    whole = b"w" * BATCH_BYTES
    tasks = [made.send(value) for value in (whole, whole, whole)]

    for count in (1, 2, 3):
        assert len(await made.batches(count)) == count
        made.made[0].answers.put_nowait(count)

    assert [await task for task in tasks] == [Published(0, n) for n in (1, 2, 3)]
    await made.publisher.stop()


async def test_a_batch_is_bounded_in_bytes(bench: Bench) -> None:
    """What does not fit waits for the next one; what never fits goes alone."""
    opener = bench.send(b"0")
    await bench.batches(1)
    big, half = b"b" * (BATCH_BYTES + 1), b"h" * (BATCH_BYTES // 2)
    tasks = [bench.send(value) for value in (half, half, big, b"1", b"2")]
    for base in range(0, 50, 10):
        bench.made[0].answers.put_nowait(base)

    batches = await bench.batches(5)

    assert batches == [[b"0"], [half], [half], [big], [b"1", b"2"]]
    for task in (opener, *tasks):
        await task


async def test_a_failed_batch_is_unknown_and_its_producer_is_given_up(bench: Bench) -> None:
    """An idempotent producer that failed once may fail for ever."""
    failed = bench.send(b"0")
    await bench.batches(1)
    bench.made[0].answers.put_nowait(KafkaUnavailable("out of order"))

    outcome = await failed
    following = bench.send(b"1")
    assert await bench.batches(1, producer=1) == [[b"1"]]
    bench.made[1].answers.put_nowait(7)

    assert outcome == NotPublished(was_tried=True)
    assert outcome.code is Code.UNKNOWN
    assert await following == Published(0, 7)
    assert bench.made[0].is_retired


async def test_a_batch_without_an_answer_is_unknown_at_the_deadline() -> None:
    """It may have been written; the client repeats it with the same id."""
    bench = Bench(deadline_s=0.02)
    await bench.publisher.start()

    outcome = await bench.send(b"0")

    assert outcome == NotPublished(was_tried=True)
    await bench.publisher.stop()
    assert bench.made[0].is_retired


async def test_what_was_not_tried_is_unavailable_at_the_deadline() -> None:
    """Nothing was written for sure, and nothing is kept of it."""
    bench = Bench(deadline_s=0.02, failing_starts=1_000_000)
    await bench.publisher.start()

    outcome = await bench.send(b"0")

    assert outcome == NotPublished(was_tried=False)
    assert isinstance(outcome, NotPublished)
    assert outcome.code is Code.UNAVAILABLE
    assert not bench.publisher.is_healthy
    await bench.publisher.stop()


async def test_what_timed_out_is_not_sent_later() -> None:
    """A 503 `unavailable` that is written afterwards would be a lie."""
    bench = Bench(deadline_s=0.05)
    timed_out = await bench.send(b"late")
    await bench.publisher.start()

    assert timed_out == NotPublished(was_tried=False)
    following = bench.send(b"next")
    assert await bench.batches(1) == [[b"next"]]
    bench.made[0].answers.put_nowait(0)
    await following
    await bench.publisher.stop()


async def test_a_producer_is_tried_again_until_there_is_one() -> None:
    """Brokers come back."""
    bench = Bench(failing_starts=3)
    await bench.publisher.start()

    task = bench.send(b"0")
    await bench.batches(1, producer=3)
    bench.made[3].answers.put_nowait(0)

    assert await task == Published(0, 0)
    assert bench.publisher.is_healthy
    await bench.publisher.stop()


async def test_a_stop_answers_whoever_waits(bench: Bench) -> None:
    """A request must not hang because the process ends."""
    running = bench.send(b"0")
    await bench.batches(1)
    waiting = bench.send(b"1")
    await asyncio.sleep(0)

    await bench.publisher.stop()

    assert isinstance(await waiting, NotPublished)
    assert isinstance(await running, NotPublished)


async def test_a_drain_waits_for_what_was_taken(bench: Bench) -> None:
    """SIGTERM finishes what is in flight."""
    task = bench.send(b"0")
    await bench.batches(1)
    drain = asyncio.create_task(bench.publisher.drain(5))
    await asyncio.sleep(0)

    bench.made[0].answers.put_nowait(3)

    await drain
    assert await task == Published(0, 3)


class TestBatchingPublisherLife(LifecycleContract):
    """A long-lived thing."""

    @pytest.fixture
    def component(self) -> BatchingPublisher:
        """Give a publisher with a willing producer."""
        return Bench().publisher


class TestMemoryPublisher(PublisherContract):
    """The fake keeps the promises of the port."""

    @pytest.fixture
    def publisher(self) -> MemoryPublisher:
        """Give the fake."""
        return MemoryPublisher()
