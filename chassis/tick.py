"""The transactional producer of one partition: everything a tick decided, or nothing of it.

Order inside a transaction, measured: closed batches, every answer awaited, then the offsets, then
the commit. Offsets sent beside or before the batches make the broker answer NOT_ENOUGH_REPLICAS
and cost a back-off of 100 ms. aiokafka fences by the transactional id alone: who claims it last
owns it, the open transaction of the one before is aborted, and its commits fail.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sized
from typing import NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, InvalidProducerIdMapping, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from chassis import kafka
from chassis.clock import Clock
from chassis.kafka import RECORD_BYTES_MAX, Record, record_bytes
from chassis.kafka_seam import cut
from chassis.settings import KafkaSettings

__all__ = [
    "RECORD_BYTES_MAX",
    "CommitInfo",
    "ProducerLost",
    "Record",
    "TickProducer",
    "record_bytes",
]

_FENCES = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping)
_LOG_APPEND_TIME = 1
SLOWEST_BYTES_PER_S = 1_048_576
"""Brokers that take less than this are as good as gone."""


class ProducerLost(Exception):
    """The producer is gone, and whether its last commit landed is unknown.

    `fenced`: somebody else claimed the transactional id. Even then a commit may have landed, when
    its answer was lost before.
    """

    def __init__(self, message: str, *, fenced: bool = False) -> None:
        super().__init__(message)
        self.fenced = fenced


class CommitInfo(NamedTuple):
    """What a commit tells; skew > 0: the broker's clock is ahead of ours by at least so much."""

    append_skew_ms: int | None


class TickProducer:
    """Claims a transactional id and commits ticks under it; one caller at a time."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        transactional_id: str,
        client_id: str,
        clock: Clock,
        commit_timeout_s: float = 10,
        claim_timeout_s: float = 15,
        transaction_s: float = kafka.TRANSACTION_S,
    ) -> None:
        self._settings = settings
        self._transactional_id = transactional_id
        self._client_id = client_id
        self._clock = clock
        self._commit_timeout_s = commit_timeout_s
        self._claim_timeout_s = claim_timeout_s
        self._transaction_s = transaction_s
        self._producer: AIOKafkaProducer | None = None

    @property
    def is_claimed(self) -> bool:
        """Whether a claim stands as far as we know; only a commit proves it."""
        return self._producer is not None

    async def claim(self) -> None:
        """Take the transactional id over, from ourselves too; raises ProducerLost.

        Returns after the predecessor's open transaction was settled, so what is read afterwards
        is everything it ever committed.
        """
        await self.retire()
        made = kafka.producer(
            self._settings,
            client_id=self._client_id,
            transactional_id=self._transactional_id,
            transaction_s=self._transaction_s,
        )
        try:
            await kafka.start(made, timeout_s=self._claim_timeout_s)
        except kafka.KafkaUnavailable as error:
            raise ProducerLost(str(error), fenced=_is_fence(error)) from error
        self._producer = made

    async def commit(
        self,
        records: Iterable[Record],
        *,
        offsets: Mapping[tuple[str, int], int] | None = None,
        group: str = "",
        size_bytes: int = 0,
    ) -> CommitInfo:
        """Commit records and offsets of `group` together; an iterator is sent as it comes.

        Raises ProducerLost on any error, also after `commit_timeout_s` and what `size_bytes` may
        take, and when nothing is claimed; the object must be claimed again before its next commit.
        ValueError: a tick of nothing, for which aiokafka sends nothing, so that it would prove
        nothing.
        """
        if not offsets and isinstance(records, Sized) and len(records) == 0:
            raise ValueError("an empty tick proves nothing")
        producer = self._producer
        if producer is None:
            raise ProducerLost("not claimed")
        try:
            async with asyncio.timeout(commit_bound_s(self._commit_timeout_s, size_bytes)):
                return await self._commit(producer, records, offsets or {}, group)
        except BaseException as error:
            self._producer = None
            await cut(producer)
            if not isinstance(error, Exception):
                raise  # cancelled: the caller goes, and so does the claim
            raise ProducerLost(f"{error!r}", fenced=_is_fence(error)) from error

    async def _commit(
        self,
        producer: AIOKafkaProducer,
        records: Iterable[Record],
        offsets: Mapping[tuple[str, int], int],
        group: str,
    ) -> CommitInfo:
        await producer.begin_transaction()
        asked_at = self._clock.now_ms()
        answers = await kafka.produce(producer, records)
        answered_at = self._clock.now_ms()
        if offsets:
            await producer.send_offsets_to_transaction(
                {
                    TopicPartition(topic, partition): OffsetAndMetadata(offset, "")
                    for (topic, partition), offset in offsets.items()
                },
                group,
            )
        await producer.commit_transaction()
        return CommitInfo(_append_skew_ms(answers, asked_at, answered_at))

    async def retire(self) -> None:
        """Give the claim up; bounded, also when the brokers are gone; may be repeated."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await cut(producer)


def commit_bound_s(timeout_s: float, size_bytes: int) -> float:
    """Return what a tick may take: one that is large and merely slow would fail for ever."""
    return timeout_s + size_bytes / SLOWEST_BYTES_PER_S


def _append_skew_ms(
    answers: Iterable[RecordMetadata], asked_at_ms: int, answered_at_ms: int
) -> int | None:
    """Return the largest difference that no delay of the answers can explain."""
    worst: int | None = None
    for answer in answers:
        if answer.timestamp_type != _LOG_APPEND_TIME:
            continue
        skew = min(0, answer.timestamp - asked_at_ms) or max(0, answer.timestamp - answered_at_ms)
        if worst is None or abs(skew) > abs(worst):
            worst = skew
    return worst


def _is_fence(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _FENCES):
            return True
        error = error.__cause__
    return False
