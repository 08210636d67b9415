"""What a tick producer refuses without a broker, and how it reads clocks."""

import pytest
from aiokafka.errors import ProducerFenced
from aiokafka.structs import RecordMetadata

from chassis.clock import SystemClock
from chassis.settings import KafkaSettings
from chassis.tick import (
    ProducerLost,
    Record,
    TickProducer,
    _append_skew_ms,
    _is_fence,
    commit_bound_s,
)


def producer() -> TickProducer:
    """Return one whose broker is nowhere."""
    return TickProducer(
        KafkaSettings(bootstrap_servers=("127.0.0.1:1",)),
        transactional_id="x",
        client_id="test",
        clock=SystemClock(),
    )


def answer(timestamp: int, timestamp_type: int = 1) -> RecordMetadata:
    """Return a produce answer."""
    return RecordMetadata("t", 0, None, 0, timestamp, timestamp_type, 0)


async def test_a_tick_of_nothing_is_refused() -> None:
    """It would commit nothing and look like a proof of ownership."""
    with pytest.raises(ValueError, match="proves nothing"):
        await producer().commit([], offsets={})


async def test_an_unclaimed_producer_is_lost() -> None:
    """The caller's way out is the same as after a failure."""
    with pytest.raises(ProducerLost) as lost:
        await producer().commit([Record("t", 0, None, b"x")])

    assert not lost.value.fenced


async def test_a_claim_without_a_broker_is_lost_and_can_be_retired() -> None:
    """It fails at once, and giving up what was never had is fine."""
    ticks = producer()

    with pytest.raises(ProducerLost):
        await ticks.claim()

    assert not ticks.is_claimed
    await ticks.retire()


@pytest.mark.parametrize(
    ("answers", "skew"),
    [
        ([], None),
        ([answer(500, timestamp_type=0)], None),
        ([answer(1010)], 0),
        ([answer(900)], -100),
        ([answer(1520)], 500),
        ([answer(900), answer(1520), answer(1010)], 500),
    ],
)
def test_skew_is_what_no_delay_explains(answers: list[RecordMetadata], skew: int | None) -> None:
    """An append time between question and answer says nothing; outside, at least the distance."""
    assert _append_skew_ms(answers, 1000, 1020) == skew


def test_a_large_tick_may_take_longer() -> None:
    """One event for 1,000 subscriptions at 1 MiB/s: a fixed bound would fail it again and again."""
    assert commit_bound_s(20, 0) == 20
    assert commit_bound_s(20, 256 * 1_048_576) == 276


def test_a_fence_is_found_below_other_errors() -> None:
    """Aiokafka and the chassis wrap it."""
    outer = OSError("outer")
    outer.__cause__ = ProducerFenced()

    assert _is_fence(outer)
    assert not _is_fence(OSError("plain"))
    assert not _is_fence(None)
