"""How records become a table; reading them from a broker: tests/integration/chassis."""

import asyncio

import pytest
import structlog
from aiokafka import ConsumerRecord
from structlog.testing import capture_logs

from chassis.settings import KafkaSettings
from chassis.table import WRITE_HEADER, Table
from tests.fakes.clock import ManualClock


def record(
    offset: int, key: bytes | None, value: bytes | None, token: bytes = b""
) -> ConsumerRecord:
    """Return a record of partition 0 that the log took at `1000 + offset`."""
    headers = ((WRITE_HEADER, token),)
    return ConsumerRecord("t", 0, offset, 1000 + offset, 1, key, value, 0, 0, 0, headers)


async def table(**options: object) -> Table[int]:
    """Return a table that owns partition 0 of a broker that is nowhere."""
    made: Table[int] = Table(
        KafkaSettings(bootstrap_servers=("127.0.0.1:1",)),
        topic="t",
        decode=lambda key, value: int(value),
        client_id="test",
        log=structlog.get_logger(),
        **({"clock": ManualClock()} | options),  # type: ignore[arg-type]  # passed through
    )
    await made.own([0])
    return made


async def test_the_last_good_value_wins() -> None:
    """Values replace, tombstones remove, what cannot be read changes nothing."""
    broken: list[bool] = []
    changes: list[tuple[int, bytes, int | None]] = []
    made = await table(
        on_change=lambda *change: changes.append(change), on_broken=lambda: broken.append(True)
    )

    made._apply_all(
        0,
        [
            record(1, b"a", b"1"),
            record(2, b"b", b"2"),
            record(3, b"a", b"broken"),
            record(4, b"b", None),
            record(5, None, b"6"),
            record(6, b"c", b"7"),
        ],
    )

    assert dict(made.items(0)) == {b"a": 1, b"c": 7}
    assert made.appended_at(0, b"a") == 1001
    assert made.appended_at(0, b"b") is None
    assert made.records == 2
    assert len(broken) == 2
    assert changes == [(0, b"a", 1), (0, b"b", 2), (0, b"b", None), (0, b"c", 7)]


async def test_records_of_a_partition_that_went_are_ignored() -> None:
    """They may still come out of a fetch that was under way."""
    made = await table()
    await made.own([1])

    made._apply_all(0, [record(1, b"a", b"1")])

    assert made.get(0, b"a") is None
    assert list(made.items(0)) == []


async def test_a_write_is_known_by_its_token() -> None:
    """An equal value of another writer is not it; a forgotten one is not looked for."""
    made = await table()
    mine, other = made.expect(0, b"mine"), made.expect(0, b"other")
    made.forget(0, other)
    made.forget(0, None)

    made._apply_all(0, [record(1, b"a", b"1", b"theirs")])
    assert not mine.met.is_set()
    made._apply_all(0, [record(2, b"a", b"1", b"mine"), record(3, b"a", b"1", b"other")])

    assert mine.met.is_set()
    assert not other.met.is_set()


async def test_before_any_answer_nothing_is_certain() -> None:
    """Position 0, not caught up, the last fetch infinitely old; stop without start is fine."""
    made = await table()

    assert made.position(0) == 0
    assert not made.is_caught_up
    assert made.lag_s(0) == float("inf")
    assert not await made.wait_for(0, 1, timeout_s=0)
    await made.stop()


async def test_a_reader_without_a_broker_tries_on_until_stop() -> None:
    """Each failure is told; nothing stays behind."""
    made = await table()
    with capture_logs() as said:
        await made.start()
        await made.start()
        async with asyncio.timeout(20):
            while not said:  # noqa: ASYNC110  # what is logged has no event
                await asyncio.sleep(0)

    await made.stop()

    assert said[0]["event"] == "table.reader_lost"

    assert asyncio.all_tasks() == {asyncio.current_task()}


class Reader:
    """What is asked of aiokafka's consumer about the one partition."""

    def __init__(self) -> None:
        self.position = self.lso = 10
        self.timestamp: int | None = None
        self.has_valid_position = True
        self.looks = 0
        self._subscription = self.subscription = self.assignment = self

    def state_value(self, _: object) -> "Reader":
        """Return itself, as everything on the way to it does."""
        self.looks += 1
        return self

    def answer(self, at_ms: int, *, end: int = 10) -> None:
        """Let an answer come."""
        self.timestamp, self.lso = at_ms, end


async def heard() -> tuple[Table[int], Reader, ManualClock]:
    """Return a table whose reader was answered twice, the last time just now."""
    clock, reader = ManualClock(), Reader()
    made = await table(clock=clock)
    made._reader = reader
    for _ in range(2):
        clock.advance(1)
        reader.answer(clock.now_ms())
        made.lag_s(0)
    return made, reader, clock


async def test_what_is_known_is_as_old_as_the_answer_before() -> None:
    """Whoever asks looks, too: the reader may be waiting for something else."""
    made, reader, clock = await heard()
    assert made.lag_s(0) == made.lag_s() == 1

    clock.advance(60)
    reader.answer(clock.now_ms())  # a thawed process finds it in its socket
    assert made.lag_s(0) == 60
    clock.advance(0.1)
    reader.answer(clock.now_ms())
    assert made.lag_s(0) == pytest.approx(0.1)


async def test_whoever_asks_before_each_request_does_not_look_each_time() -> None:
    """What is known of an idle topic is older than half a second nearly always."""
    made, reader, clock = await heard()
    clock.advance(1)
    made.lag_s(0)
    looks = reader.looks

    made.lag_s(0)
    assert reader.looks == looks

    clock.advance(0.005)
    made.lag_s(0)
    assert reader.looks > looks


async def test_an_answer_counts_when_all_of_it_is_in_the_table() -> None:
    """A revocation may be in what is not."""
    made, reader, clock = await heard()

    for _ in range(3):
        clock.advance(1)
        reader.answer(clock.now_ms(), end=20)
    assert made.lag_s(0) == 4
    reader.position = 20
    clock.advance(0.005)
    assert made.lag_s(0) == 3.005, "the answer before it came so long ago"


async def test_after_a_clock_was_set_back_nothing_is_certain_for_a_moment() -> None:
    """A time in the future would count as fresh until it comes."""
    made, reader, clock = await heard()
    clock.advance(-3600)

    assert made.lag_s(0) == float("inf")
    reader.answer(clock.now_ms())
    clock.advance(1)
    assert made.lag_s(0) == 1


async def test_what_was_given_up_and_is_taken_again_is_unknown() -> None:
    """Nobody followed it meanwhile."""
    made, _, _ = await heard()
    before = made.lag_s(0)
    made._reader = None

    await made.own([1])
    await made.own([0])

    assert (before, made.lag_s(0)) == (1, float("inf"))
