"""A compacted topic as a table in memory: the last good value of every key.

Read without a group, read-committed, from the beginning. How far it is, is a *position*: markers of
transactions occupy offsets, so `last record + 1` may never reach the end offset of the log. The
position is advanced in the same step as its records are applied: whoever sees a position sees all
records below it. A record that cannot be decoded leaves the last good value, and is alarmed.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from chassis import kafka, kafka_seam
from chassis.clock import Clock, SystemClock
from chassis.freshness import Freshness
from chassis.kafka import KafkaUnavailable
from chassis.kafka_seam import Fetched
from chassis.settings import KafkaSettings

T = TypeVar("T")

WRITE_HEADER = "write"
"""Header that tells one write from another of equal content; random."""
POLL_MS = 100
RECORDS_MAX = 2_000
LOOK_S = 0.01
"""How often a waiter looks at the position: markers move it without waking anybody."""
_REBUILD_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_END_OFFSET_S = 5.0


class WriteUnavailable(Exception):
    """A write could not be made in time, and nothing was written."""


class WriteInDoubt(WriteUnavailable):
    """A write got no answer in time: it was made, or never will be."""


class Expectation:
    """Whether a write came by; for a writer whose commit got no answer."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.met = asyncio.Event()


class Table(Generic[T]):
    """One topic's partitions that this process wants; `own` says which."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topic: str,
        decode: Callable[[bytes, bytes], T],
        client_id: str,
        log: FilteringBoundLogger,
        on_change: Callable[[int, bytes, T | None], None] | None = None,
        on_broken: Callable[[], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`decode(key, value)` raises ValueError for what it cannot read: then `on_broken`."""
        self._settings = settings
        self.topic = topic
        self._decode = decode
        self._client_id = client_id
        self._log = log
        self._on_change = on_change
        self._on_broken = on_broken
        self._clock = clock or SystemClock()
        self._entries: dict[int, dict[bytes, tuple[T, int]]] = {}
        self._positions: dict[int, int] = {}
        self._targets: dict[int, int] = {}
        self._heard: dict[int, Freshness] = {}
        self._caught_up: set[int] = set()
        self._expectations: dict[int, list[Expectation]] = {}
        self._reader: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._wanted = asyncio.Event()

    async def start(self) -> None:
        """Begin to read what is owned; does not wait for it."""
        if self._task is None:
            self._stop.clear()
            self._task = asyncio.create_task(self._run(), name=f"table-{self.topic}")

    async def stop(self) -> None:
        """End; tolerates no start and a second stop."""
        self._stop.set()
        self._wanted.set()
        task, self._task = self._task, None
        if task is not None:
            done, _ = await asyncio.wait({task}, timeout=3)
            if not done:
                task.cancel()
                await asyncio.wait({task})
        await self._drop_asker()

    async def wait_failed(self) -> BaseException:
        """Wait for what ends the reader: a bug, as Kafka's faults are retried."""
        task = self._task
        if task is not None:
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                return error
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def own(self, partitions: Collection[int]) -> None:
        """Read exactly these partitions; those that stay go on where they are."""
        wanted = set(partitions)
        if wanted == set(self._positions):
            return
        for gone in set(self._positions) - wanted:
            self._positions.pop(gone)
            self._entries.pop(gone)
            self._targets.pop(gone, None)
            self._heard.pop(gone, None)
            self._caught_up.discard(gone)
        for new in wanted - set(self._positions):
            self._positions[new] = -1
            self._heard[new] = Freshness(self._clock.now_ms())
            self._entries[new] = {}
        self._assign()

    def get(self, partition: int, key: bytes) -> T | None:
        """Return the value of a key; None when absent, deleted or not owned."""
        entry = self._entries.get(partition, {}).get(key)
        return None if entry is None else entry[0]

    def appended_at(self, partition: int, key: bytes) -> int | None:
        """Return when the log took the current value of a key (epoch ms)."""
        entry = self._entries.get(partition, {}).get(key)
        return None if entry is None else entry[1]

    def items(self, partition: int) -> Iterable[tuple[bytes, T]]:
        """Return the keys and values of a partition as they are now."""
        return [(key, entry[0]) for key, entry in self._entries.get(partition, {}).items()]

    def position(self, partition: int) -> int:
        """Return the offset below which everything was applied; 0 before the first answer."""
        live = self._live_position(partition)
        return max(0, self._positions.get(partition, 0) if live is None else live)

    @property
    def records(self) -> int:
        """How many keys have a value."""
        return sum(len(entries) for entries in self._entries.values())

    @property
    def is_caught_up(self) -> bool:
        """Whether every owned partition has once reached the end that it had when owned."""
        self._note_caught_up()
        return self._caught_up >= set(self._positions) and self._task is not None

    def lag_s(self, partition: int | None = None) -> float:
        """Return for how long something may be unknown, in the worst owned partition by default.

        It is the time since the last answer but one: see `chassis.freshness`.
        """
        now_ms = self._clock.now_ms()
        if partition is not None:
            return self._lag_s(partition, now_ms)
        return max((self._lag_s(one, now_ms) for one in self._positions), default=0.0)

    def _lag_s(self, partition: int, now_ms: int) -> float:
        heard = self._heard.get(partition)
        if heard is None:
            return float("inf")
        if heard.wants_look(now_ms):
            self._note_fetch(partition)  # the reader may be waiting for something else
        known_until = heard.known_until
        if known_until is None or known_until > now_ms:  # the clock was set back
            return float("inf")
        return (now_ms - known_until) / 1000

    async def wait_fresh(self, partition: int, *, within_s: float, timeout_s: float) -> bool:
        """Wait until what is known is that young; False at the timeout."""
        deadline = self._clock.monotonic() + timeout_s
        while self.lag_s(partition) > within_s:
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                return False
            await asyncio.sleep(min(LOOK_S, left_s))
        return True

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Wait until the table has everything below `position`; False at the timeout."""
        deadline = self._clock.monotonic() + timeout_s
        while self.position(partition) < position:
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                return False
            await asyncio.sleep(min(LOOK_S, left_s))
        return True

    async def end_offset(self, partition: int) -> int:
        """Ask the broker for the end of what is committed; every acknowledged write is below.

        Asked on a consumer that never polls: on the reader's connection the answer would wait
        behind the long poll. Raises KafkaUnavailable.
        """
        place = self._place(partition)
        try:
            async with asyncio.timeout(_END_OFFSET_S):
                asker = await self._open_asker()
                ends = await asker.end_offsets([place])
        except (KafkaUnavailable, KafkaError, OSError, TimeoutError, RuntimeError) as error:
            await self._drop_asker()
            raise KafkaUnavailable(f"no end offset of {self.topic}: {error!r}") from error
        return int(ends[place])

    def expect(self, partition: int, token: bytes) -> Expectation:
        """Watch for a record with this WRITE_HEADER from now on; end it by `forget`."""
        expectation = Expectation(token)
        self._expectations.setdefault(partition, []).append(expectation)
        return expectation

    def forget(self, partition: int, expectation: Expectation | None) -> None:
        """Watch no longer."""
        watching = self._expectations.get(partition, [])
        if expectation in watching:
            watching.remove(expectation)

    async def _open_asker(self) -> AIOKafkaConsumer:
        async with self._asking:
            if self._asker is None:
                asker = kafka.consumer(self._settings, client_id=f"{self._client_id}-ends")
                await kafka.start(asker)
                kafka_seam.track_topic(asker, self.topic)
                self._asker = asker
            return self._asker

    async def _drop_asker(self) -> None:
        asker, self._asker = self._asker, None
        if asker is not None:
            await kafka.retire(asker, timeout_s=0.5)

    async def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                await self._read()
                failures = 0
            except (RuntimeError, OSError, TimeoutError, AssertionError, KafkaUnavailable) as error:
                pause_s = _REBUILD_S[min(failures, len(_REBUILD_S) - 1)]
                failures += 1
                self._log.warning("table.reader_lost", topic=self.topic, error=repr(error))
                await kafka.wait_or_stop(self._stop, pause_s)

    async def _read(self) -> None:
        """Read with one consumer until `stop`, or until it fails."""
        reader = kafka.consumer(self._settings, client_id=f"{self._client_id}-table")
        await kafka.start(reader)
        try:
            self._reader = reader
            self._assign()
            while not self._stop.is_set():
                await self._find_ends()
                places = [self._place(partition) for partition in self._positions]
                if not places:
                    self._wanted.clear()
                    await kafka.wait_or_stop(self._wanted, 1)
                    continue
                got = await reader.getmany(*places, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for place, records in got.items():
                    self._apply_all(place.partition, records)
                self._save_positions()
                for partition in self._positions:
                    self._note_fetch(partition)
        finally:
            # Positions are not saved here: a `getmany` that failed may have moved them beyond
            # records that it never returned.
            self._reader = None
            await kafka.retire(reader, timeout_s=1)

    def _assign(self) -> None:
        """Give the reader its partitions; aiokafka forgets all positions, so seek all."""
        self._wanted.set()
        reader = self._reader
        if reader is None:
            return
        for partition in self._positions:
            self._note_fetch(partition)
        known = {p: self.position(p) for p in self._positions if self._is_begun(p)}
        self._positions.update(known)
        reader.assign([self._place(partition) for partition in self._positions])
        for partition, position in known.items():
            reader.seek(self._place(partition), position)

    def _is_begun(self, partition: int) -> bool:
        return self._positions[partition] >= 0 or self._live_position(partition) is not None

    def _live_position(self, partition: int) -> int | None:
        reader = self._reader
        if reader is None or partition not in self._positions:
            return None
        return kafka_seam.position_of(reader, self._place(partition))

    def _save_positions(self) -> None:
        for partition in self._positions:
            live = self._live_position(partition)
            if live is not None:
                self._positions[partition] = live

    def _note_fetch(self, partition: int) -> None:
        """Note when a partition was heard of last, once all that was said of it is in the table.

        What was fetched beyond what is applied says nothing yet. Assigning anew forgets all of it,
        so it is remembered here.
        """
        reader, heard = self._reader, self._heard.get(partition)
        if reader is None or heard is None:
            return
        place = self._place(partition)
        position = kafka_seam.position_of(reader, place)
        end = kafka_seam.stable_end_of(reader, place)
        if position is not None and end is not None and position >= end:
            heard.note(kafka_seam.fetched_at_ms(reader, place))

    async def _find_ends(self) -> None:
        for partition in set(self._positions) - set(self._targets):
            end = await self.end_offset(partition)
            if partition in self._positions:
                self._targets[partition] = end

    def _note_caught_up(self) -> None:
        for partition in set(self._targets) - self._caught_up:
            if self.position(partition) >= self._targets[partition]:
                self._caught_up.add(partition)

    def _apply_all(self, partition: int, records: Sequence[Fetched]) -> None:
        entries = self._entries.get(partition)
        if entries is None:
            return  # no longer owned
        for record in records:
            for expectation in self._expectations.get(partition, ()):
                if (WRITE_HEADER, expectation.token) in record.headers:
                    expectation.met.set()
            self._apply(entries, record)

    def _apply(self, entries: dict[bytes, tuple[T, int]], record: Fetched) -> None:
        key, value = record.key, None
        if key is not None and record.value is None:
            entries.pop(key, None)
        else:
            try:
                if key is None or record.value is None:
                    raise ValueError("no key")  # noqa: TRY301  # same end as an unreadable one
                value = self._decode(key, record.value)
            except ValueError as error:
                if self._on_broken is not None:
                    self._on_broken()
                self._log.error(
                    "table.record_broken",
                    topic=self.topic,
                    partition=record.partition,
                    offset=record.offset,
                    error=str(error),
                )
                return
            entries[key] = (value, record.timestamp)
        if self._on_change is not None:
            self._on_change(record.partition, key, value)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)
