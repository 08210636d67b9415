"""Remember which deliveries succeeded before this process lost their partition (PROTOCOL C5).

A 2xx is final, whoever owns the partition. When a partition is lost with ticks that may not have
landed, and comes back to this process, the successes in them would be repeated: the committed state
does not show them. So the process keeps them beside it, and an attempt that would repeat one ends
at once with the report of then. The policy cannot tell: to it this is an attempt that took no time,
so its lane, its log record and its order are those of any other.

Only successes are kept. A failure that was not committed is tried again: that follows a failure and
repeats no success.

Nobody can say sooner that one is not needed any more than that its delivery is too old for another
attempt: what is settled in the log may wait in a delay topic, put there by who owned the partition
meanwhile.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from deliverer.policy.items import Attempt, AttemptLog, AttemptReport
from schemas.outcome import Outcome
from schemas.registry import MAX_AGE_S

Place = tuple[int, int]
Happening = Literal["recalled", "forgotten"]


class Success(msgspec.Struct, frozen=True, gc=False):
    """A delivery that got its 2xx, without its payload."""

    webhook_id: str
    subscription: str
    accepted_at: int
    status: int | None
    started_at: int
    duration_ms: int
    detail: str | None


class Recollections:
    """Hold at most `limit` successes of all partitions of the process; the oldest go first.

    A delivery is known by its partition and offset, and checked by its webhook id and subscription:
    a topic that was made anew counts its offsets from 0 again.
    """

    def __init__(self, limit: int, count: Callable[[Happening], None]) -> None:
        self._limit = limit
        self._count = count
        self._kept: dict[Place, Success] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._kept)

    def keep(self, partition: int, ended: Iterable[AttemptLog], *, now: int) -> None:
        """Remember the successes among attempts whose records may not have been committed."""
        self._drop_expired(now)
        for log in ended:
            if log.outcome is Outcome.DELIVERED:
                place = (partition, log.delivery.sequence)
                self._kept.pop(place, None)
                self._kept[place] = _success(log)
        while len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]
            self._count("forgotten")

    def recall(self, partition: int, attempt: Attempt) -> AttemptReport | None:
        """Return how a delivery ended before, once; None = nothing is known, make the attempt."""
        if not self._kept:
            return None
        delivery = attempt.delivery
        success = self._kept.pop((partition, delivery.sequence), None)
        if success is None or delivery.webhook_id != success.webhook_id:
            return None
        if delivery.subscription != success.subscription:
            return None
        self._count("recalled")
        return AttemptReport(
            outcome=Outcome.DELIVERED,
            status=success.status,
            started_at=success.started_at,
            finished_at=success.started_at + success.duration_ms,
            duration_ms=success.duration_ms,
            detail=success.detail,
        )

    def _drop_expired(self, now: int) -> None:
        """Let go of deliveries that are too old for an attempt under any policy."""
        oldest = now - MAX_AGE_S * 1000
        for place in [at for at, success in self._kept.items() if success.accepted_at < oldest]:
            del self._kept[place]


def _success(log: AttemptLog) -> Success:
    delivery = log.delivery
    return Success(
        delivery.webhook_id,
        delivery.subscription,
        delivery.accepted_at,
        log.status,
        log.started_at,
        log.duration_ms,
        log.detail,
    )
