"""Compare-and-set writes to a compacted table, exact between any number of writers (PROTOCOL R5).

Who claims the transactional id of a partition fences every other writer of it. Claim, read the
partition to an end offset asked after the claim, decide, commit: had anybody else written in
between, he had claimed, and this commit would fail. While a claim stands no new one is needed.
After the commit the table is waited for, so that who gets an answer also reads what it wrote.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from chassis.table import WRITE_HEADER, Expectation, Table, WriteInDoubt, WriteUnavailable
from chassis.tick import ProducerLost, Record, TickProducer

__all__ = ["TableWriter", "WriteInDoubt", "WriteUnavailable", "Writes", "system_jitter"]

T = TypeVar("T")
Writes = Sequence[tuple[bytes, bytes | None]]

DEADLINE_S = 2.0
_PAUSE_FIRST_S = 0.03
_PAUSE_MAX_S = 0.4


def system_jitter() -> float:
    """Return a random number in [0, 1)."""
    return secrets.randbelow(1 << 20) / (1 << 20)


class TableWriter(Generic[T]):
    """Writes to the partitions of one table; callers of one partition take turns."""

    def __init__(
        self,
        settings: KafkaSettings,
        table: Table[T],
        *,
        transactional_id: Callable[[int], str],
        client_id: str,
        clock: Clock,
        deadline_s: float = DEADLINE_S,
        jitter: Callable[[], float] = system_jitter,
    ) -> None:
        self._settings = settings
        self._table = table
        self._transactional_id = transactional_id
        self._client_id = client_id
        self._clock = clock
        self._deadline_s = deadline_s
        self._jitter = jitter
        self._locks: dict[int, asyncio.Lock] = {}
        self._producers: dict[int, TickProducer] = {}

    async def update(self, partition: int, decide: Callable[[], Writes]) -> None:
        """Write what `decide` returns, decided on a table that has every committed write.

        `decide` may run several times; what it raises ends the update with nothing written, and
        so does an empty answer. After `deadline_s` it is over whatever hangs: WriteUnavailable, or
        WriteInDoubt while a commit has no answer.
        """
        lock = self._locks.setdefault(partition, asyncio.Lock())
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._deadline_s), lock:
                attempt.has_turn = True
                await self._update(partition, decide, attempt)
        except TimeoutError as error:
            if not attempt.has_turn:
                raise WriteUnavailable("others are writing") from error
            if attempt.doubt is None:
                raise WriteUnavailable("Kafka does not answer in time") from error
            if not attempt.doubt.met.is_set():
                raise WriteInDoubt("a commit got no answer in time") from error
        finally:
            self._table.forget(partition, attempt.doubt)

    async def stop(self) -> None:
        """Give every claim up; bounded."""
        await asyncio.gather(*(producer.retire() for producer in self._producers.values()))

    async def _update(
        self, partition: int, decide: Callable[[], Writes], attempt: "_Attempt"
    ) -> None:
        """Try until it is written; only the deadline ends that."""
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                await self._prepare(partition)
                if attempt.doubt is not None and attempt.doubt.met.is_set():
                    return  # the commit that got no answer had landed
                self._table.forget(partition, attempt.doubt)
                attempt.doubt = None  # it had not, and under this claim it never will
                writes = decide()
                if not writes:
                    return
                attempt.doubt = self._table.expect(partition, secrets.token_bytes(8))
                await self._commit(partition, writes, attempt.doubt)
                return
            except (ProducerLost, KafkaUnavailable):
                await asyncio.sleep(pause_s * (0.5 + self._jitter()))
                pause_s = min(pause_s * 2, _PAUSE_MAX_S)

    async def _prepare(self, partition: int) -> None:
        """Hold a claim, and have the table at an end offset asked under it."""
        producer = self._producer(partition)
        if not producer.is_claimed:
            await producer.claim()
        end = await self._table.end_offset(partition)
        if not await self._table.wait_for(partition, end, timeout_s=self._deadline_s):
            raise KafkaUnavailable("the table does not catch up")

    async def _commit(self, partition: int, writes: Writes, expectation: Expectation) -> None:
        """Commit, and wait until the table has it.

        Asking for the end offset is not enough: markers follow the commit's answer, and until
        they are there the end does not cover our own write.
        """
        marked = [(WRITE_HEADER, expectation.token)]
        records = [Record(self._table.topic, partition, *write, marked) for write in writes]
        await self._producer(partition).commit(records)
        await expectation.met.wait()

    def _producer(self, partition: int) -> TickProducer:
        producer = self._producers.get(partition)
        if producer is None:
            producer = self._producers[partition] = TickProducer(
                self._settings,
                transactional_id=self._transactional_id(partition),
                client_id=f"{self._client_id}-{partition}",
                clock=self._clock,
                commit_timeout_s=self._deadline_s,
                claim_timeout_s=self._deadline_s,
            )
        return producer


@dataclass(slots=True)
class _Attempt:
    """How far an update has come; `doubt` watches for the write that it may have made."""

    has_turn: bool = False
    doubt: Expectation | None = None
