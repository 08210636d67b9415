"""The delay topics of a partition, as far as they lie in memory (T2).

Records of a tier are sorted by append time, so each waits its fixed delay and nothing waits behind
a later one. Two bounds keep memory small: what lies far ahead is counted per tier; what waits its
last moments (every record of the lowest tier, and the rests under one lowest delay) lies in one
heap bounded in bytes.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from deliverer.policy.items import Limits, Parked
from deliverer.policy.window import Window


class Tiers:
    """Hold the records of the delay topics whose time has not come, and what is settled there.

    `rest_bytes` counts those in their last rest and those that are due and wait for a slot.
    """

    __slots__ = (
        "_ahead",
        "_ahead_bytes",
        "_ahead_bytes_max",
        "_count",
        "_heap",
        "_read_ahead",
        "_rest_bytes_max",
        "_short_ms",
        "delays_ms",
        "rest_bytes",
        "windows",
    )

    def __init__(self, delays_ms: Sequence[int], windows: Sequence[Window], limits: Limits) -> None:
        self.delays_ms = tuple(delays_ms)
        self.windows = list(windows)
        self._short_ms = max(self.delays_ms[:2])
        self._read_ahead = limits.tier_read_ahead
        # However small the partition's share: due retries must leave room for first attempts.
        self._rest_bytes_max = min(limits.rest_heap_bytes, limits.buffer_bytes // 4)
        self._ahead_bytes_max = min(limits.tier_ahead_bytes, limits.buffer_bytes // 64)
        self._heap: list[tuple[int, int, bool, Parked]] = []
        self._count = 0
        self._ahead = [0] * len(self.delays_ms)
        self._ahead_bytes = [0] * len(self.delays_ms)
        self.rest_bytes = 0

    def has_room(self, tier: int) -> bool:
        """Ask whether more of a tier may be read."""
        if self.rest_bytes >= self._rest_bytes_max:
            return False
        ahead = self._ahead[tier]
        if ahead == 0:
            return True
        return self._ahead_bytes[tier] < self._ahead_bytes_max and ahead < self._read_ahead

    def hold(self, parked: Parked, now: int, *, wake_at: int) -> None:
        """Keep a record until its wake: the lowest tier wakes when due, others after their delay.

        `wake_at` is when it is due or, earlier, too old. A record of the lowest tier that has long
        to wait (it was to be too old, and then `max_age_s` was raised) hops soon. The append time
        is the broker's: a wrong clock there costs a hop, never an early attempt.
        """
        tier = parked.tier
        wake = wake_at
        is_ahead = False
        if tier:
            wake = min(wake, parked.appended_at + self.delays_ms[tier])
            is_ahead = wake > now
        elif wake - now >= self._short_ms:
            wake = now + self.delays_ms[0]
        if is_ahead:
            self._ahead[tier] += 1
            self._ahead_bytes[tier] += parked.delivery.size
        else:
            self.rest_bytes += parked.delivery.size
        self._push(wake, is_ahead=is_ahead, parked=parked)

    def rest(self, parked: Parked, wake_at: int) -> None:
        """Keep a woken record for the short rest until it is due or too old."""
        self._push(wake_at, is_ahead=False, parked=parked)

    def pop(self, now: int) -> Parked | None:
        """Take the next record whose wake has come."""
        heap = self._heap
        if not heap or heap[0][0] > now:
            return None
        _, _, is_ahead, parked = heappop(heap)
        if is_ahead:
            self._ahead[parked.tier] -= 1
            self._ahead_bytes[parked.tier] -= parked.delivery.size
            self.rest_bytes += parked.delivery.size
        return parked

    @property
    def next_at(self) -> int | None:
        """When the next record wakes."""
        return self._heap[0][0] if self._heap else None

    def held(self) -> Iterator[Parked]:
        """Yield every record that waits for its wake, in no order."""
        return (parked for _, _, _, parked in self._heap)

    def _push(self, wake: int, *, is_ahead: bool, parked: Parked) -> None:
        self._count += 1
        heappush(self._heap, (wake, self._count, is_ahead, parked))
