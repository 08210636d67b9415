"""Judge a run by what an outsider saw: the logs in Kafka and the requests at the receivers.

Nothing here asks the product. `deliveries` says which lane a delivery belongs to and its place in
it, `dead-letters` what was given up, the receiver what was tried, when, and how it was answered.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.e2e.log import header, read_topic
from tests.e2e.receiver import HANG_UP, Delivery
from tests.e2e.stack import Stack

Key = tuple[str, str]
"""(subscription, webhook id): one delivery."""


@dataclass(frozen=True)
class Logged:
    """One record of `deliveries`."""

    subscription: str
    webhook_id: str
    lane: str
    offset: int

    @property
    def key(self) -> Key:
        """Name the delivery."""
        return self.subscription, self.webhook_id


@dataclass(frozen=True)
class Window:
    """A fault: from when to when, on the receiver's clock, it may have made repeats."""

    start: float
    end: float


async def read_deliveries(stack: Stack) -> list[Logged]:
    """Read what fan-out committed, in the order of the log."""
    found = []
    for record in await read_topic(stack.bootstrap_servers, f"{stack.prefix}.deliveries"):
        envelope = header(record, "delivery")
        found.append(
            Logged(
                envelope["subscription"], envelope["webhook_id"], envelope["lane"], record.offset
            )
        )
    return found


async def read_dead(stack: Stack) -> list[tuple[Key, str]]:
    """Read (delivery, reason) of every dead letter."""
    records = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.dead-letters")
    envelopes = [header(record, "dead_letter") for record in records]
    return [((one["subscription"], one["webhook_id"]), one["reason"]) for one in envelopes]


class Run:
    """What one run left behind, and the questions tests ask of it."""

    def __init__(
        self,
        log: Sequence[Logged],
        dead: Iterable[Key],
        requests: Sequence[Delivery],
        *,
        subscription_at: Mapping[str, str],
    ) -> None:
        self.log = list(log)
        self.dead = list(dead)
        self._requests: dict[Key, list[tuple[int, Delivery]]] = defaultdict(list)
        for place, request in enumerate(requests):
            self._requests[subscription_at[request.path], request.webhook_id].append(
                (place, request)
            )

    def doubled(self) -> list[Key]:
        """List deliveries that stand twice in `deliveries` or twice in `dead-letters` (P4)."""
        return _repeated([one.key for one in self.log]) + _repeated(self.dead)

    def lost(self) -> list[Key]:
        """List deliveries that were neither answered with 2xx nor given up (P2)."""
        dead = set(self.dead)
        return [o.key for o in self.log if o.key not in dead and self._done_at(o.key) is None]

    def invented(self) -> list[Key]:
        """List what a receiver saw and no log has."""
        logged = {one.key for one in self.log}
        return [key for key in self._requests if key not in logged]

    def overtakings(self, *, lanes: Iterable[str]) -> list[tuple[Key, Key]]:
        """List (later, earlier) where the later was tried before the earlier was final (P3)."""
        wanted = set(lanes)
        unfinished: dict[str, tuple[int, Key]] = {}
        found = []
        for one in self.log:
            if one.lane not in wanted or not (requests := self._requests.get(one.key)):
                continue
            began, latest = requests[0][0], unfinished.get(one.lane)
            if latest is not None and began < latest[0]:
                found.append((one.key, latest[1]))
            done = self._done_at(one.key)
            final = requests[-1][0] if done is None else done
            if latest is None or final > latest[0]:
                unfinished[one.lane] = (final, one.key)
        return found

    def repeats(self) -> list[tuple[Delivery, Delivery]]:
        """List (request, repeat) that no failure asked for.

        A repeat comes after a full 2xx, or bears an attempt number that was answered before. (A
        reused connection that closes without a word is tried once more under the same number.)
        """
        found = []
        for requests in self._requests.values():
            for (_, former), (_, latter) in pairwise(requests):
                is_same = latter.attempt <= former.attempt and former.status != HANG_UP
                if former.is_accepted or is_same:
                    found.append((former, latter))
        return found

    def unexcused(self, windows: Iterable[Window]) -> list[tuple[Delivery, Delivery]]:
        """List the repeats that no fault explains (P5).

        One that came before a fault may be repeated after it; and a process that wakes from its
        frost may still send what it had begun.
        """
        faults = list(windows)
        return [
            (former, latter)
            for former, latter in self.repeats()
            if not any(
                fault.start <= one.arrived_s <= fault.end
                for fault in faults
                for one in (former, latter)
            )
        ]

    def early(self, schedule_s: Sequence[float]) -> list[tuple[Delivery, Delivery]]:
        """List retries that came sooner after the failure than the schedule allows."""
        return [
            (former, latter)
            for requests in self._requests.values()
            for (_, former), (_, latter) in pairwise(requests)
            if latter.attempt == former.attempt + 1
            and latter.arrived_s - former.arrived_s < schedule_s[former.attempt - 1]
        ]

    def _done_at(self, key: Key) -> int | None:
        accepted = (place for place, one in self._requests.get(key, ()) if one.is_accepted)
        return next(accepted, None)


def _repeated(keys: Iterable[Key]) -> list[Key]:
    seen: set[Key] = set()
    return [key for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
