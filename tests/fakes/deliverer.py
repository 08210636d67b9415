"""The outside of a partition's worker, in memory: producer, registry, group, attempts."""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

from chassis.kafka import Record
from chassis.tick import CommitInfo, ProducerLost
from chassis.vault import Vault
from deliverer.attempts import Attempter, Done
from deliverer.delays import TierFeed
from deliverer.endpoints import OpenedCache, PartitionEndpoints, RegistryEntry, decode_entry
from deliverer.fate import SharedFate
from deliverer.hosts import HostSlots
from deliverer.metrics import DelivererMetrics
from deliverer.parts import Parts
from deliverer.policy.items import Attempt, AttemptReport, Extent, Limits
from deliverer.policy.pacing import SPACING_S
from deliverer.recollections import Recollections
from deliverer.records import TopicNames
from deliverer.slots import Slots
from deliverer.state import CommittedState
from deliverer.sweep import SweepFeed
from deliverer.worker import PartitionWorker
from schemas.delivery import (
    DELIVERY_HEADER,
    DeliveryEnvelope,
    DeliveryKind,
    RetryEnvelope,
    encode_delivery,
    encode_retry,
    lane_key,
)
from schemas.lane_state import WINDOW_KEY, WindowRecord, decode_window
from schemas.outcome import Outcome
from schemas.registry import SealedFields, encode_sealed, registry_key
from schemas.topics import TIERS
from tests.fakes.clock import ManualClock

KEYS = [("k1", b"k" * 32)]
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
NAMES = TopicNames.of("t")


@dataclass
class FakeRecord:
    """A record as the broker gives it."""

    offset: int
    key: bytes | None = b"acme"
    value: bytes | None = b"{}"
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = NAMES.deliveries
    partition: int = 0
    timestamp: int = 1_700_000_000_000


def delivery_record(
    offset: int,
    *,
    subscription: str = "sub_a",
    registry_offset: int = 0,
    accepted_at: int = 1_700_000_000_000,
    kind: DeliveryKind = "first",
    epoch: int = 0,
) -> FakeRecord:
    """Return a record of `deliveries`."""
    envelope = DeliveryEnvelope(
        webhook_id=f"msg_{offset}",
        lane=lane_key(subscription, epoch, None),
        subscription=subscription,
        kind=kind,
        accepted_at=accepted_at,
        registry_offset=registry_offset,
    )
    headers = [
        ("ce_id", str(offset).encode()),
        ("ce_type", b"order.paid"),
        (DELIVERY_HEADER, encode_delivery(envelope)),
    ]
    return FakeRecord(offset, headers=headers)


def retry_record(
    offset: int, *, sequence: int, term: int, attempt: int = 2, due_at: int = 1_700_000_000_000
) -> FakeRecord:
    """Return a record of a delay topic."""
    first = delivery_record(sequence)
    envelope = RetryEnvelope(
        webhook_id=f"msg_{sequence}",
        lane=lane_key("sub_a", 0, None),
        subscription="sub_a",
        sequence=sequence,
        attempt=attempt,
        due_at=due_at,
        term=term,
        kind="first",
        accepted_at=1_700_000_000_000,
        registry_offset=0,
    )
    headers = [*first.headers, ("retry", encode_retry(envelope))]
    return replace(first, offset=offset, topic=NAMES.tiers[0], headers=headers)


def silent_log() -> tuple[FilteringBoundLogger, LogCapture]:
    """Return a logger and what it was told."""
    capture = LogCapture()
    log = structlog.wrap_logger(
        None,
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return log, capture


class FakeLog:
    """The log of one partition: what was committed, who has the claim, what fails."""

    def __init__(self) -> None:
        self.mark: tuple[int, int] | None = None
        self.ticks: list[list[Record]] = []
        self.offsets: list[Mapping[tuple[str, int], int]] = []
        self.sizes_bytes: list[int] = []
        self.claims = 0
        self.failures: list[str] = []
        """What the next commits do: `landed` and `lost` raise, before or after they took effect."""
        self.claim_failures = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def records(self) -> list[Record]:
        """Return everything committed, in order."""
        return [record for tick in self.ticks for record in tick]

    def of(self, topic: str) -> list[Record]:
        """Return what was committed to a topic."""
        return [record for record in self.records if record.topic == topic]

    @property
    def windows(self) -> list[WindowRecord]:
        """Return every `$window` committed."""
        found = [r.value for r in self.of(NAMES.lanes) if r.key == WINDOW_KEY and r.value]
        decoded = [decode_window(value) for value in found]
        return [window for window in decoded if isinstance(window, WindowRecord)]

    def append(self, records: Sequence[Record], offsets: Mapping[tuple[str, int], int]) -> None:
        """Take one transaction."""
        self.ticks.append(list(records))
        self.offsets.append(offsets)
        self.mark = (self.windows[-1].term, self.windows[-1].tick)

    def forget(self) -> None:
        """Show only what is committed from here on."""
        self.ticks.clear()
        self.offsets.clear()


class FakeWriter:
    """A transactional producer over a FakeLog."""

    def __init__(self, log: FakeLog) -> None:
        self._log = log
        self.is_retired = False

    async def claim(self) -> None:
        """Take the claim, unless told to fail."""
        if self._log.claim_failures:
            self._log.claim_failures -= 1
            raise ProducerLost("no answer")
        self._log.claims += 1

    async def commit(
        self,
        records: Sequence[Record],
        *,
        offsets: Mapping[tuple[str, int], int],
        group: str,
        size_bytes: int,
    ) -> CommitInfo:
        """Commit, or fail as the log says."""
        self._log.sizes_bytes.append(size_bytes)
        assert not self.is_retired, "a retired producer was used"
        await self._log.gate.wait()
        failure = self._log.failures.pop(0) if self._log.failures else ""
        if failure != "lost":
            self._log.append(records, offsets)
        if failure:
            raise ProducerLost(failure)
        return CommitInfo(append_skew_ms=0)

    async def retire(self) -> None:
        """Be used no more."""
        self.is_retired = True


class FakeReader:
    """Reads the committed state of a FakeLog."""

    def __init__(self, log: FakeLog, state: CommittedState | None = None) -> None:
        self._log = log
        self.state = state or CommittedState(
            window=None,
            lanes={},
            deliveries=Extent(0, 0),
            tiers=tuple(Extent(0, 0) for _ in TIERS),
            has_group_offset=False,
        )
        self.foreign_mark: tuple[int, int] | None = None

    async def read(self, partition: int) -> CommittedState:
        """Return the state a takeover starts from."""
        return self.state

    async def read_mark(self, partition: int) -> tuple[int, int] | None:
        """Return the last mark, or a foreign one."""
        return self.foreign_mark or self._log.mark or self.state.mark


class FakeGroup:
    """A consumer group that answers as told; True when nothing is left to say."""

    def __init__(self) -> None:
        self.answers: list[bool | None] = []
        self.asked: list[tuple[int, int]] = []
        self.wakes = 0

    async def ask_group(self, partition: int, offset: int) -> bool | None:
        """Answer the next thing."""
        self.asked.append((partition, offset))
        return self.answers.pop(0) if self.answers else True

    def wake(self) -> None:
        """Count."""
        self.wakes += 1


class FakeDelays:
    """Remembers who reads which tiers."""

    def __init__(self) -> None:
        self.feeds: dict[int, TierFeed] = {}
        self.positions: dict[int, list[int]] = {}

    def add(self, partition: int, positions: Sequence[int], feed: TierFeed) -> None:
        """Note a reader."""
        self.feeds[partition] = feed
        self.positions[partition] = list(positions)

    def remove(self, partition: int) -> None:
        """Forget a reader."""
        self.feeds.pop(partition, None)


class FakeSweeps:
    """Remembers who may have a target."""

    def __init__(self) -> None:
        self.feeds: dict[int, SweepFeed] = {}
        self.wakes = 0

    def add(self, partition: int, feed: SweepFeed) -> None:
        """Note a partition."""
        self.feeds[partition] = feed

    def remove(self, partition: int) -> None:
        """Forget a partition."""
        self.feeds.pop(partition, None)

    def wake(self) -> None:
        """Count."""
        self.wakes += 1


class FakeRegistry:
    """A registry whose position a test moves."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.view = PartitionEndpoints(Vault(KEYS), opened=OpenedCache(), log=log)
        self.at = 0
        self.silence = 0.0
        self.is_disowned = False
        self._moved = asyncio.Event()

    async def take_over(self, partition: int) -> PartitionEndpoints:
        """Return the view."""
        return self.view

    async def disown(self, partition: int) -> None:
        """Note it."""
        self.is_disowned = True

    def position(self, partition: int) -> int:
        """Return the position the test set."""
        return self.at

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Wait until the test moved far enough."""
        while self.at < position:
            self._moved.clear()
            await self._moved.wait()
        return True

    def silence_s(self, partition: int) -> float:
        """Return the silence the test set."""
        return self.silence

    def move(self, position: int) -> None:
        """Let the table reach a position."""
        self.at = position
        self._moved.set()

    def put(self, subscription: str = "sub_a", **fields: object) -> None:
        """Let the table read a subscription."""
        key, entry = registry_entry(subscription, **fields)
        self.view.changed(key, entry)


def registry_entry(subscription: str, **fields: object) -> tuple[bytes, RegistryEntry]:
    """Return a subscription as the table keeps it."""
    key = registry_key("acme", "subscription", subscription)
    sealed = Vault(KEYS).seal(
        encode_sealed(SealedFields(url="https://hooks.example.com/in", secret=SECRET)), aad=key
    )
    document = {
        "id": subscription,
        "subscriber": "acme",
        "version": 1,
        "sealed": base64.b64encode(sealed).decode(),
        "created_at": "2026-01-02T03:04:05.678Z",
        "updated_at": "2026-01-02T03:04:05.678Z",
        **fields,
    }
    return key, decode_entry(key, orjson.dumps(document))


class FakePrepared:
    """An attempt that was built; `send` and `cut` are what its maker does then."""

    def __init__(self, send: Callable[[], None], cut: Callable[[], None]) -> None:
        self._send = send
        self._cut = cut

    def send(self) -> None:
        """Begin it."""
        self._send()

    def cut(self) -> None:
        """Cut it off."""
        self._cut()


class FakeAttempts:
    """Attempts that end when the test says so."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.started: list[Attempt] = []
        self.told: list[tuple[int, Outcome]] = []
        self._open: dict[int, tuple[Attempt, Done]] = {}

    def prepare(self, attempt: Attempt, endpoints: PartitionEndpoints, done: Done) -> FakePrepared:
        """Build an attempt that waits for `finish` once it is sent."""
        return FakePrepared(lambda: self._begin(attempt, done), lambda: self._cut(attempt))

    def tell_unmade(self, attempt: Attempt, report: AttemptReport) -> None:
        """Keep what the log would say."""
        self.told.append((attempt.delivery.sequence, report.outcome))

    @property
    def sequences(self) -> list[int]:
        """Return what was started, in order."""
        return [attempt.delivery.sequence for attempt in self.started]

    def finish(self, sequence: int, outcome: Outcome = Outcome.DELIVERED, **fields: object) -> None:
        """End an attempt."""
        now = self._clock.now_ms()
        report = AttemptReport(
            outcome=outcome,
            started_at=now,
            finished_at=now,
            duration_ms=1,
            **fields,  # type: ignore[arg-type]  # passed through as given
        )
        self._end(sequence, report)

    def crash(self, sequence: int) -> None:
        """End an attempt by a defect of ours."""
        self._end(sequence, RuntimeError("a defect"))

    def _begin(self, attempt: Attempt, done: Done) -> None:
        self.started.append(attempt)
        self._open[attempt.delivery.sequence] = (attempt, done)

    def _end(self, sequence: int, report: AttemptReport | Exception) -> None:
        attempt, done = self._open.pop(sequence)
        done(attempt, report)

    def _cut(self, attempt: Attempt) -> None:
        self._open.pop(attempt.delivery.sequence, None)


class FakeDisabling:
    """Remembers what was to be disabled."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bytes, str]] = []

    def disable(self, partition: int, key: bytes, *, reason: str) -> None:
        """Note it."""
        self.asked.append((partition, key, reason))

    async def forget(self, partition: int) -> None:
        """Nothing runs."""


@dataclass
class Bench:
    """A worker and everything round it."""

    state: CommittedState | None = None
    max_in_flight: int = 10
    max_per_host: int = 10
    limits: Limits = field(default_factory=Limits)
    fate: SharedFate = field(default_factory=lambda: SharedFate(lambda *_: None))

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.log = FakeLog()
        self.group = FakeGroup()
        self.delays = FakeDelays()
        self.sweeps = FakeSweeps()
        self.logger, self.said = silent_log()
        self.registry = FakeRegistry(self.logger)
        self.attempts = FakeAttempts(self.clock)
        self.disabling = FakeDisabling()
        self.reader = FakeReader(self.log, self.state)
        self.slots = Slots(self.max_in_flight)
        self.hosts = HostSlots(self.max_per_host)
        self.host_waits: list[str] = []
        self.instruments = CollectorRegistry()
        metrics = DelivererMetrics(self.instruments)
        self.parts = Parts(
            topics=NAMES,
            group_id="t-deliverer",
            clock=self.clock,
            log=self.logger,
            metrics=metrics,
            slots=self.slots,
            hosts=self.hosts,
            host_waits=self.host_waits.append,
            fate=self.fate,
            recollections=Recollections(100, metrics.recollected),
            limits=self.limits,
            jitter=lambda: 0.0,
            delays=self.delays,
            sweeps=self.sweeps,
            registry=self.registry,
            reader=self.reader,
            attempts=self.attempts,
            disabling=self.disabling,
            make_writer=lambda _: FakeWriter(self.log),
        )
        self.worker = PartitionWorker(0, self.parts, self.group)
        self.registry.put()

    async def start(self) -> "Bench":
        """Take the partition over; the first tick, which says so, is forgotten."""
        await self.worker.take_over()
        await self.turn()
        self.log.forget()
        return self

    async def close(self) -> None:
        """End what still runs."""
        await self.worker.close("lost")

    async def feed(self, *records: FakeRecord, end: int | None = None) -> None:
        """Let records arrive."""
        last = records[-1].offset + 1 if records else 0
        self.worker.feed(list(records), last if end is None else end)  # type: ignore[arg-type]
        await self.turn()

    async def turn(self, seconds: float = 1.5 * SPACING_S) -> None:
        """Let time pass, the worker step, and everything that follows from it happen."""
        self.clock.advance(seconds)
        self.worker._poke()
        for _ in range(30):
            await asyncio.sleep(0)

    def count(self, name: str, **labels: str) -> float:
        """Read a metric."""
        return self.instruments.get_sample_value(name, labels) or 0.0


async def made(
    attempter: Attempter, attempt: Attempt, endpoints: PartitionEndpoints
) -> AttemptReport:
    """Make an attempt and wait for its report; who is cancelled meanwhile cuts it off."""
    report: asyncio.Future[AttemptReport] = asyncio.get_running_loop().create_future()

    def done(ended: Attempt, found: AttemptReport | Exception) -> None:
        assert ended is attempt
        assert not isinstance(found, Exception)
        report.set_result(found)

    making = attempter.prepare(attempt, endpoints, done)
    making.send()
    try:
        return await report
    finally:
        making.cut()
