"""What is remembered of successes that were not committed."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from deliverer.policy.items import Attempt, AttemptLog, Delivery, Extent
from deliverer.recollections import Recollections
from deliverer.state import CommittedState, decode_state
from deliverer.worker import PartitionWorker
from schemas.outcome import Outcome
from schemas.registry import MAX_AGE_S
from schemas.topics import TIERS
from tests.fakes.deliverer import NAMES, Bench, delivery_record, retry_record

NOW = 1_700_000_000_000


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a worker that has taken over."""
    bench = await Bench().start()
    yield bench
    await bench.close()


def delivery(
    sequence: int,
    *,
    webhook_id: str = "msg_1",
    subscription: str = "sub_a",
    accepted_at: int = NOW,
) -> Delivery:
    """Give a delivery with a payload."""
    payload = b"x" * 100
    return Delivery(
        sequence, "lane", subscription, webhook_id, "first", accepted_at, 0, 100, payload
    )


def ended(
    sequence: int, outcome: Outcome = Outcome.DELIVERED, *, accepted_at: int = NOW
) -> AttemptLog:
    """Give the end of an attempt."""
    made = delivery(sequence, accepted_at=accepted_at)
    return AttemptLog(made, 2, "retry", outcome, 204, 1_000, 30, None, None)


def test_a_success_is_recalled_once_with_its_times() -> None:
    """What is written of it later is what was seen then."""
    counts: Counter[str] = Counter()
    kept = Recollections(10, lambda what: counts.update([what]))
    kept.keep(3, [ended(7)], now=NOW)

    report = kept.recall(3, Attempt(delivery(7), 2))
    again = kept.recall(3, Attempt(delivery(7), 2))

    assert report is not None
    assert (report.outcome, report.status) == (Outcome.DELIVERED, 204)
    assert (report.started_at, report.finished_at, report.duration_ms) == (1_000, 1_030, 30)
    assert again is None
    assert counts == {"recalled": 1}


def test_only_successes_are_kept() -> None:
    """A failure is to be tried again anyway."""
    kept = Recollections(10, lambda _: None)

    kept.keep(0, [ended(1, Outcome.HTTP_5XX), ended(2, Outcome.TIMEOUT), ended(3)], now=NOW)

    assert len(kept) == 1
    assert kept.recall(0, Attempt(delivery(1), 1)) is None


def test_another_delivery_at_the_same_offset_is_not_taken_for_it() -> None:
    """Another partition, event or subscription is another delivery."""
    kept = Recollections(10, lambda _: None)
    others = [
        (1, delivery(7)),
        (0, delivery(7, webhook_id="msg_2")),
        (0, delivery(7, subscription="sub_b")),
    ]
    for partition, other in others:
        kept.keep(0, [ended(7)], now=NOW)
        assert kept.recall(partition, Attempt(other, 1)) is None


def test_above_the_limit_the_oldest_are_forgotten_and_counted() -> None:
    """Memory is bounded, whatever is lost."""
    counts: Counter[str] = Counter()
    kept = Recollections(2, lambda what: counts.update([what]))

    kept.keep(0, [ended(1), ended(2), ended(3)], now=NOW)

    assert (len(kept), counts) == (2, {"forgotten": 1})
    assert kept.recall(0, Attempt(delivery(1), 1)) is None
    assert kept.recall(0, Attempt(delivery(3), 1)) is not None


def test_none_are_kept_when_that_is_set() -> None:
    """0 is a limit, too."""
    kept = Recollections(0, lambda _: None)

    kept.keep(0, [ended(1)], now=NOW)

    assert len(kept) == 0


def test_what_is_too_old_for_an_attempt_leaves_uncounted() -> None:
    """Successes that can matter to nobody must not push out others, nor count as forgotten."""
    counts: Counter[str] = Counter()
    kept = Recollections(2, lambda what: counts.update([what]))
    old = NOW - MAX_AGE_S * 1000
    kept.keep(0, [ended(1, accepted_at=old - 1), ended(2, accepted_at=old)], now=old)

    kept.keep(1, [ended(3)], now=NOW)

    assert (len(kept), counts) == (2, {})
    assert kept.recall(0, Attempt(delivery(1), 1)) is None
    assert kept.recall(0, Attempt(delivery(2), 1)) is not None


async def test_a_success_that_was_not_committed_is_not_repeated_after_a_new_takeover(
    bench: Bench,
) -> None:
    """C5: the process remembers it; its record is written then, and its lane goes on."""
    bench.log.failures = ["lost"]
    bench.group.answers = [False]
    await bench.feed(delivery_record(0), delivery_record(1))
    bench.attempts.finish(0, status=201)
    await bench.turn()
    assert bench.worker.is_dead
    assert bench.attempts.sequences == [0, 1]

    bench.worker = PartitionWorker(0, bench.parts, bench.group)
    await bench.start()
    await bench.feed(delivery_record(0), delivery_record(1))
    await bench.turn()

    assert bench.attempts.sequences == [0, 1, 1], "only what had no answer is sent again"
    (record,) = bench.log.of(NAMES.attempts)
    assert record.value is not None
    assert b'"webhook_id":"msg_0"' in record.value
    assert b'"status":201' in record.value
    assert bench.log.windows[-1].w == 1
    assert bench.slots.in_flight == 1
    assert bench.count("hooklane_delivery_recollections_total", result="recalled") == 1


async def test_successes_that_end_while_a_tick_is_in_doubt_are_not_repeated(bench: Bench) -> None:
    """C5: they are in no tick at all yet."""
    bench.registry.put(ordering="none")
    bench.log.failures, bench.group.answers = ["lost"], [False]
    bench.log.gate.clear()
    await bench.feed(delivery_record(0), delivery_record(1))
    bench.attempts.finish(0)
    await bench.turn()
    bench.attempts.finish(1)
    bench.log.gate.set()
    await bench.turn()
    assert bench.worker.is_dead

    bench.worker = PartitionWorker(0, bench.parts, bench.group)
    await bench.start()
    await bench.feed(delivery_record(0), delivery_record(1))
    await bench.turn()

    assert bench.attempts.sequences == [0, 1]
    assert bench.count("hooklane_delivery_recollections_total", result="recalled") == 2
    assert bench.log.windows[-1].w == 2


async def test_a_retry_that_succeeded_uncommitted_is_not_repeated_either(bench: Bench) -> None:
    """It comes back from its delay topic, with its lane held for it."""
    await bench.feed(delivery_record(0))
    bench.attempts.finish(0, Outcome.HTTP_5XX, status=500)
    await bench.turn()
    window, lanes = decode_state({r.key or b"": r.value for r in bench.log.of(NAMES.lanes)})
    parked = retry_record(0, sequence=0, term=1)
    bench.worker.feed_tier(0, [parked], 1)  # type: ignore[list-item]
    await bench.turn(1_000)
    bench.log.failures, bench.group.answers = ["lost"], [False]
    bench.attempts.finish(0)
    await bench.turn()
    assert bench.worker.is_dead
    assert bench.attempts.sequences == [0, 0]

    tiers = tuple(Extent(0, 1) for _ in TIERS)
    bench.reader.state = CommittedState(
        window=window, lanes=lanes, deliveries=Extent(0, 2), tiers=tiers, has_group_offset=True
    )
    bench.worker = PartitionWorker(0, bench.parts, bench.group)
    await bench.start()
    bench.worker.feed_tier(0, [parked], 1)  # type: ignore[list-item]
    await bench.turn()
    await bench.feed(delivery_record(1))

    assert bench.attempts.sequences == [0, 0, 1]
    assert bench.count("hooklane_delivery_attempts_total", outcome="delivered", kind="retry") == 1
