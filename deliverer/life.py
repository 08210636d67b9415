"""What a partition has from its takeover to its end, and the takeover itself (PROTOCOL)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from deliverer.commits import Commits
from deliverer.endpoints import PartitionEndpoints
from deliverer.hosts import Doors
from deliverer.lease import Lease
from deliverer.parts import Parts
from deliverer.policy.machine import Machine
from deliverer.state import recovered
from deliverer.ticking import Lost, Ticker
from schemas.topics import TIERS


@dataclass(frozen=True, slots=True)
class Life:
    """The state of a partition that is ours."""

    machine: Machine
    endpoints: PartitionEndpoints
    lease: Lease
    commits: Commits
    doors: Doors

    def describe(self, now_s: float) -> dict[str, object]:
        """Return what `/debug` shows of it."""
        view = self.machine.view
        return view.describe() | {
            "lane_states": view.lanes_by_state(),
            "breakers": view.breakers_by_state(),
            "is_lease_fresh": self.lease.is_fresh(now_s),
            "tick_state": self.commits.describe(now_s),
        }

    def wants_start(self, now_ms: int) -> bool:
        """Ask whether anything would start if it might; nothing does."""
        is_wanted = False

        def refuse(_is_suspect: bool) -> bool:
            nonlocal is_wanted
            is_wanted = True
            return False

        self.machine.next_start(now_ms, admits=refuse)
        return is_wanted


async def take_over(
    partition: int,
    parts: Parts,
    ticker: Ticker,
    *,
    ended: Callable[[Lost | None], None],
    wake: Callable[[], None],
) -> Life:
    """Claim, read what the former owner committed, and stand where its last tick ended.

    The claim comes first: what is read before it may still change. The rest is read at once.
    Raises ProducerLost, KafkaUnavailable or StateRefused; the caller tries again.
    """
    claimed_at = parts.clock.monotonic()
    await ticker.claim()
    reading = asyncio.create_task(parts.reader.read(partition), name="state")
    try:
        endpoints = await parts.registry.take_over(partition)
        state = await reading
    finally:
        reading.cancel()
    machine = Machine(
        partition_state=recovered(state),
        subscriptions=endpoints,
        limits=parts.limits,
        tiers=tuple(tier.delay_ms for tier in TIERS),
        jitter=parts.jitter,
        fate=parts.fate,
    )
    ticker.begin(state.mark, machine.head_position)
    lease = Lease(claimed_at)
    monotonic, silence_s = parts.clock.monotonic, parts.registry.silence_s
    endpoints.may_send = lambda: (
        lease.is_fresh(monotonic()) and lease.is_registry_fresh(silence_s(partition))
    )
    commits = Commits(
        partition,
        parts,
        ticker,
        machine=machine,
        endpoints=endpoints,
        lease=lease,
        ended=ended,
    )
    commits.count_growth("takeover.records_lost")
    _tell(partition, parts, machine, took_s=parts.clock.monotonic() - claimed_at)
    doors = Doors(
        parts.slots,
        parts.hosts,
        host_of=endpoints.host_of,
        tell=parts.host_waits,
        wake=wake,
    )
    return Life(machine, endpoints, lease, commits, doors)


def _tell(partition: int, parts: Parts, machine: Machine, *, took_s: float) -> None:
    """Say where the partition stands."""
    parts.log.info(
        "takeover.done",
        partition=partition,
        took_ms=round(took_s * 1000),
        **machine.view.describe(),
    )
