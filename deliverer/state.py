"""Read what a partition's former owner committed (PROTOCOL: takeover, steps 3 and 4; C5)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis.lookups import group_offset, opened
from deliverer.policy.items import (
    Extent,
    FailingState,
    LaneState,
    RecoveredState,
    WindowState,
)
from deliverer.policy.machine import StateRefused
from schemas.lane_state import (
    FAILING_PREFIX,
    OWN_PREFIX,
    WINDOW_KEY,
    FailingRecord,
    LaneRecord,
    WindowRecord,
    decode_failing,
    decode_lane,
    decode_window,
)

READ_S_MAX = 30.0
POLL_MS = 200


class CommittedState(msgspec.Struct, frozen=True, kw_only=True):
    """What a takeover finds in Kafka."""

    window: WindowRecord | None
    lanes: dict[str, LaneRecord]
    failing: dict[str, FailingRecord] = msgspec.field(default_factory=dict)
    deliveries: Extent
    tiers: tuple[Extent, ...]
    has_group_offset: bool

    @property
    def mark(self) -> tuple[int, int] | None:
        """Return (term, tick) of the last committed tick, None when there never was one."""
        return None if self.window is None else (self.window.term, self.window.tick)


class StateReader:
    """Read `lanes[p]` and the offsets a takeover needs, with a consumer of its own each time.

    Ask only after InitProducerId of the partition returned: before, a tick of the former owner
    could still land.
    """

    def __init__(
        self,
        make_consumer: Callable[[], AIOKafkaConsumer],
        make_admin: Callable[[], AIOKafkaAdminClient],
        *,
        lanes_topic: str,
        deliveries_topic: str,
        tier_topics: Sequence[str],
        group: str,
    ) -> None:
        self._make_consumer = make_consumer
        self._make_admin = make_admin
        self._lanes_topic = lanes_topic
        self._deliveries_topic = deliveries_topic
        self._tier_topics = tuple(tier_topics)
        self._group = group

    async def read(self, partition: int) -> CommittedState:
        """Read everything a takeover needs; KafkaUnavailable when it takes longer than 30 s."""
        async with self._consumer() as consumer:
            found = await self._latest(consumer, partition)
            deliveries, *tiers = await self._bounds(consumer, partition)
        window, lanes = decode_state(found)
        has_group_offset = window is None and await self._has_group_offset(partition)
        return CommittedState(
            window=window,
            lanes=lanes,
            failing=decode_failures(found),
            deliveries=deliveries,
            tiers=tuple(tiers),
            has_group_offset=has_group_offset,
        )

    async def read_mark(self, partition: int) -> tuple[int, int] | None:
        """Read (term, tick) of the last committed tick, None when there never was one."""
        async with self._consumer() as consumer:
            found = await self._latest(consumer, partition)
        window, _ = decode_state(found)
        return None if window is None else (window.term, window.tick)

    def _consumer(self) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
        return opened(self._make_consumer(), what="state", timeout_s=READ_S_MAX)

    async def _latest(
        self, consumer: AIOKafkaConsumer, partition: int
    ) -> dict[bytes, bytes | None]:
        tp = TopicPartition(self._lanes_topic, partition)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        latest: dict[bytes, bytes | None] = {}
        while await consumer.position(tp) < end:
            batches = await consumer.getmany(tp, timeout_ms=POLL_MS)
            for record in batches.get(tp, ()):
                if record.key is not None:
                    latest[record.key] = record.value
        return latest

    async def _bounds(self, consumer: AIOKafkaConsumer, partition: int) -> list[Extent]:
        topics = (self._deliveries_topic, *self._tier_topics)
        tps = [TopicPartition(topic, partition) for topic in topics]
        beginnings = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        return [Extent(beginnings[tp], ends[tp]) for tp in tps]

    async def _has_group_offset(self, partition: int) -> bool:
        place = TopicPartition(self._deliveries_topic, partition)
        found = await group_offset(self._make_admin(), self._group, place, timeout_s=READ_S_MAX)
        return found is not None


def decode_state(
    latest: dict[bytes, bytes | None],
) -> tuple[WindowRecord | None, dict[str, LaneRecord]]:
    """Decode the latest value of each key; a record that cannot be read refuses the takeover.

    Skipping one would forget a held lane, and its later deliveries would overtake the one that
    waits.
    """
    window: WindowRecord | None = None
    lanes: dict[str, LaneRecord] = {}
    for key, value in latest.items():
        if value is None:
            continue
        if key == WINDOW_KEY:
            decoded = decode_window(value)
            if not isinstance(decoded, WindowRecord):
                raise StateRefused("the $window record cannot be read")
            window = decoded
            continue
        if key.startswith(OWN_PREFIX):
            continue
        lane = decode_lane(value)
        if not isinstance(lane, LaneRecord):
            raise StateRefused("a lane record cannot be read")
        lanes[key.decode()] = lane
    return window, lanes


def decode_failures(latest: dict[bytes, bytes | None]) -> dict[str, FailingRecord]:
    """Decode what is remembered of failing subscriptions; one that cannot be read is forgotten."""
    found: dict[str, FailingRecord] = {}
    for key, value in latest.items():
        if value is not None and key.startswith(FAILING_PREFIX):
            record = decode_failing(value)
            if isinstance(record, FailingRecord):
                found[key.removeprefix(FAILING_PREFIX).decode()] = record
    return found


def recovered(state: CommittedState) -> RecoveredState:
    """Put what was read into the policy's words."""
    window, mark = state.window, state.mark
    return RecoveredState(
        term=0 if mark is None else mark[0],
        tick=0 if mark is None else mark[1],
        window=None if window is None else _window(window),
        lanes={key: _lane(record) for key, record in state.lanes.items()},
        failing={
            name: FailingState(record.since, record.failures, record.not_before)
            for name, record in state.failing.items()
        },
        deliveries=state.deliveries,
        tiers=state.tiers,
        has_group_offset=state.has_group_offset,
    )


def _window(record: WindowRecord) -> WindowState:
    tiers = [(tier.w, list(tier.done)) for tier in record.tiers]
    return WindowState(record.w, list(record.done), tiers)


def _lane(record: LaneRecord) -> LaneState:
    held = None if record.held is None else (record.held.offset, record.held.attempt)
    return LaneState(record.low, list(record.done), held, record.since)
