"""How late a thousand due retries a second start, and a takeover after an hour of load.

Two parts of `python -m bench.lanes_bench`: retries, takeover.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, TopicPartition

from bench.figures import Figure, Goal, Spread
from bench.lanes_stand import SETTLE_S, Deployment, Fickle, say, takeover_of
from bench.stand import Feeder, Machine
from chassis import kafka
from chassis.clock import SystemClock
from schemas.lane_state import WINDOW_KEY

RETRIES = 8_800
HELD_S = 10
RETRIES_PER_S = 1_100
"""The jitter of the schedule spreads them: a little over 1,000 a second come due."""
SUBSCRIPTIONS = 1_100
"""So many that each fails less often than its breaker needs."""
BEAT_S = 0.05
SHARE_BYTES = 8 * 1_048_576
"""What one of twelve partitions has of the default budget."""
LATENESS = "hooklane_retry_lateness_seconds"
BOUNDS_S = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "5.0", "30.0")

TICKS_LEFT = 12_000
"""What an hour leaves, ten a second: `max.compaction.lag.ms` closes a segment after 10 minutes, it
is compacted soon after, so at most two are not."""
TICKS_PER_HOUR = 36_000
Pair = tuple[bytes, bytes | None]

MARKER: Pair = (b"-", None)
"""A tombstone of nothing: about as many bytes as the marker of a transaction."""
WRITERS = 16
HELD = 1_000


async def retries(
    machine: Machine, feeder: Feeder, fickle: Fickle, *, scale: float
) -> list[Figure]:
    """Let each first attempt fail; all retries wait in the lowest delay topic."""
    count = int(RETRIES * scale)
    say(f"{count} retries, {RETRIES_PER_S} a second")
    os.environ["HOOKLANE_DELIVERER__BUFFER_BYTES"] = str(SHARE_BYTES)  # the services inherit it
    try:
        made = await Deployment.make(machine, "retries", feeder)
        await made.subscribe_dead(fickle.port, SUBSCRIPTIONS, held_s=HELD_S, ordering="none")
        deliverer = await made.run()
    finally:
        del os.environ["HOOKLANE_DELIVERER__BUFFER_BYTES"]
    before, cpu_s = await fickle.tell("/refuse-first"), deliverer.cpu_s
    await _append_steadily(made, count)
    await fickle.until("refused", before["refused"] + count, within_s=60)
    loop, moments = asyncio.get_running_loop(), []
    for fifth in (1, 4, 5):  # the pace is that of the middle: jitter rounds the ends
        await fickle.until("accepted", before["accepted"] + count * fifth // 5, within_s=60)
        moments.append(loop.time())
    took_s = moments[1] - moments[0]
    used_s = deliverer.cpu_s - cpu_s
    await asyncio.sleep(SETTLE_S)
    p99_s = await _lateness_s(made, 0.99)
    await made.stand.stop_all_but()
    return [
        Figure(
            "due retries in one delay topic",
            "retries/s",
            Spread.of([0.6 * count / took_s]),
            goal=Goal(1_000),
            note="after all first attempts: those took no share of the processor",
        ),
        Figure(
            "lateness of a due retry, p99",
            "s",
            Spread.of([p99_s]),
            goal=Goal(1, "at most"),
            note=f"the bound of the bucket of {LATENESS} that holds it; the budget of the "
            "partition is the share of one of twelve",
        ),
        Figure(
            "a failure and its retry",
            "pairs/CPU-s",
            Spread.of([count / used_s]),
            note="CPU of the deliverer",
        ),
    ]


async def _append_steadily(made: Deployment, count: int) -> None:
    loop = asyncio.get_running_loop()
    size = int(RETRIES_PER_S * BEAT_S)
    started = loop.time()
    now_ms = SystemClock().now_ms()
    records = made.stand.workload.delivery_records(made.dead, count, now_ms=now_ms)
    for number in range(0, count, size):
        await asyncio.sleep(max(0.0, started + number / RETRIES_PER_S - loop.time()))
        await made.feeder.append(records[number : number + size])


async def _lateness_s(made: Deployment, share: float) -> float:
    """Return the least bound that so large a share of the retries did not exceed."""
    count = await made.stand.metric("deliverer", f"{LATENESS}_count")
    for bound in BOUNDS_S:
        within = await made.stand.metric("deliverer", f'{LATENESS}_bucket{{le="{bound}"}}')
        if within >= share * count:
            return float(bound)
    return float("inf")


async def takeover(
    machine: Machine, feeder: Feeder, fickle: Fickle, *, scale: float
) -> list[Figure]:
    """Leave in `lanes` what an hour of ticks leaves, then all of it, as if nothing compacted."""
    made = await Deployment.make(machine, "hour", feeder)
    await made.subscribe_dead(fickle.port, HELD, held_s=300)
    await made.run()
    refused = (await fickle.tell("/break"))["refused"]
    await made.append(made.dead, HELD)
    await fickle.until("refused", refused + HELD, within_s=60)
    await asyncio.sleep(SETTLE_S)
    await made.stand.stop("deliverer")
    left = await _takeover_after(made, int(TICKS_LEFT * scale))
    await made.stand.stop("deliverer")
    whole = await _takeover_after(made, int((TICKS_PER_HOUR - TICKS_LEFT) * scale))
    await made.stand.stop_all_but()
    note = f"{HELD:,} lanes held; {{:,}} ticks of two batches and three records in `lanes`"
    return [
        Figure(
            "takeover after an hour of load",
            "s",
            Spread.of([left]),
            goal=Goal(3, "at most"),
            note=note.format(TICKS_LEFT) + ": what compaction leaves at most",
        ),
        Figure(
            "the same without any compaction",
            "s",
            Spread.of([whole]),
            note=note.format(TICKS_PER_HOUR),
        ),
    ]


async def _takeover_after(made: Deployment, ticks: int) -> float:
    """Append ticks to the state and start a deliverer; gives the seconds it needed to take over."""
    say(f"a takeover after {ticks} more ticks")
    await _write_again(made, await _latest(made), ticks)
    deliverer = await made.run()
    return (await takeover_of(deliverer))["took_ms"] / 1000


async def _latest(made: Deployment) -> dict[bytes, bytes]:
    """Read the last value of each key of `lanes`: the state a takeover finds."""
    place = TopicPartition(made.stand.topic("lanes"), 0)
    reader = kafka.consumer(made.machine.kafka_settings, client_id="bench")
    await kafka.start(reader)
    latest: dict[bytes, bytes] = {}
    try:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            for record in (await reader.getmany(place, timeout_ms=200)).get(place, ()):
                if record.value is None:
                    latest.pop(record.key, None)
                else:
                    latest[record.key] = record.value
    finally:
        await kafka.retire(reader)
    return latest


async def _write_again(made: Deployment, state: Mapping[bytes, bytes], ticks: int) -> None:
    """Append the same state over and over, a batch a tick and one for its marker."""
    lanes = itertools.cycle([one for one in state.items() if one[0] != WINDOW_KEY])
    window = (WINDOW_KEY, state[WINDOW_KEY])
    topic = made.stand.topic("lanes")
    async with _writers(made) as writers:
        for _ in range(0, ticks, len(writers)):
            batches: list[list[Pair]] = [[window, next(lanes)], [MARKER]]
            await asyncio.gather(*(_write(one, topic, batches) for one in writers))


async def _write(writer: AIOKafkaProducer, topic: str, batches: Sequence[Sequence[Pair]]) -> None:
    for records in batches:
        batch = writer.create_batch()
        for key, value in records:
            batch.append(key=key, value=value, timestamp=None)
        await (await writer.send_batch(batch, topic, partition=0))


@asynccontextmanager
async def _writers(made: Deployment) -> AsyncIterator[list[AIOKafkaProducer]]:
    settings = made.machine.kafka_settings
    writers = [kafka.producer(settings, client_id=f"bench-{n}") for n in range(WRITERS)]
    try:
        for writer in writers:
            await kafka.start(writer)
        yield writers
    finally:
        for writer in writers:
            await kafka.retire(writer)
