"""Refresh the gauges that describe the process, on the event loop, every few seconds.

Not at scrape time: a page is rendered in slices (`chassis.exposition`), between which the lanes
change, so gauges that belong together would be of different moments.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from chassis.background import BackgroundTask
from chassis.clock import Clock
from deliverer.metrics import BREAKER_STATES, LANE_STATES, TIER_NAMES, DelivererMetrics
from deliverer.policy.items import Counts

INTERVAL_S = 5.0


class Sampled(Protocol):
    """What a partition tells about itself."""

    def lanes_by_state(self) -> dict[str, int]:
        """Count lanes by state."""

    def breakers_by_state(self) -> dict[str, int]:
        """Count breakers that are open or half open."""

    def oldest_queued_at(self) -> int | None:
        """Return when the oldest waiting delivery was accepted."""

    def due_by_tier(self, now: int) -> list[tuple[int, int | None]]:
        """Count the due records in memory by tier, with the oldest due time."""


class SampledTable(Protocol):
    """What the registry's table tells about itself."""

    @property
    def records(self) -> int:
        """Count the keys in memory."""

    def lag_s(self) -> float:
        """Return for how long a change may be unknown: the time since the last answer but one."""


class Sampler:
    """Component: one task that sets the gauges."""

    def __init__(
        self,
        metrics: DelivererMetrics,
        *,
        clock: Clock,
        partitions: Callable[[], Iterable[Sampled]],
        lag_records: Callable[[], int],
        table: SampledTable,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._partitions = partitions
        self._lag_records = lag_records
        self._table = table
        self._background = BackgroundTask("sampler", self._run)

    async def start(self) -> None:
        """Begin to sample."""
        self._background.start()

    async def drain(self, deadline_s: float) -> None:
        """Go on: a drain is worth seeing."""

    async def stop(self) -> None:
        """End the task."""
        await self._background.stop()

    async def wait_failed(self) -> BaseException:
        """Wait until the task crashes."""
        return await self._background.wait_failed()

    async def _run(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(INTERVAL_S)

    def sample(self) -> None:
        """Set every gauge once."""
        partitions = list(self._partitions())
        self._sample_lanes(partitions)
        self._sample_due(partitions)
        self._metrics.lag.set(self._lag_records())
        self._metrics.registry_records.set(self._table.records)
        self._metrics.registry_lag.set(self._table.lag_s())

    def _sample_lanes(self, partitions: list[Sampled]) -> None:
        lanes = dict.fromkeys(LANE_STATES, 0)
        breakers = dict.fromkeys(BREAKER_STATES, 0)
        for partition in partitions:
            for state, count in partition.lanes_by_state().items():
                lanes[state] += count
            for state, count in partition.breakers_by_state().items():
                breakers[state] += count
        for state, count in lanes.items():
            self._metrics.lanes[state].set(count)
        for state, count in breakers.items():
            self._metrics.breakers[state].set(count)
        self._metrics.oldest.set(self._age_s(p.oldest_queued_at() for p in partitions))

    def _sample_due(self, partitions: list[Sampled]) -> None:
        now = self._clock.now_ms()
        found = [partition.due_by_tier(now) for partition in partitions]
        for tier in range(len(TIER_NAMES)):
            rows = [row[tier] for row in found if row]
            self._metrics.due[tier].set(sum(count for count, _ in rows))
            self._metrics.oldest_due[tier].set(self._age_s(oldest for _, oldest in rows))

    def _age_s(self, times: Iterable[int | None]) -> float:
        oldest = min((at for at in times if at is not None), default=None)
        return 0.0 if oldest is None else max(0, self._clock.now_ms() - oldest) / 1000


class Growth:
    """Turn a machine's growing counts into increments of the counters."""

    def __init__(self, metrics: DelivererMetrics) -> None:
        self._losses = {
            "lost_offsets": "deliveries",
            "lost_tier_offsets": "retries",
            "lost_lows": "lanes",
            "lost_heads": "heads",
            "stale": "stale",
        }
        self._counters = {
            "dropped_disabled": metrics.dropped["disabled"],
            "dropped_deleted": metrics.dropped["deleted"],
            "hops": metrics.moves["hop"],
            "reparks": metrics.moves["repark"],
            **{field: metrics.lost[kind] for field, kind in self._losses.items()},
        }
        self._seen = dict.fromkeys(self._counters, 0)

    def note(self, counts: Counts) -> dict[str, int]:
        """Count what grew since the last call; return what was lost by kind, {} = nothing."""
        now = msgspec.structs.asdict(counts)
        grown = {field: now[field] - seen for field, seen in self._seen.items()}
        self._seen = now
        for field, by in grown.items():
            if by:
                self._counters[field].inc(by)
        lost = {kind: grown[field] for field, kind in self._losses.items()}
        return lost if any(lost.values()) else {}
