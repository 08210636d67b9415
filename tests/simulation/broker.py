"""The model Kafka: logs with markers and retention, `lanes` with compaction, claims, the group.

It refuses what a broker refuses and forgets what a broker forgets; what it sees done wrong towards
it (a claim by an owner the group has removed) it tells as Broken.
"""

from dataclasses import dataclass, field

from deliverer.policy.items import FailingState, LaneState, Park, TickSnapshot, WindowState
from tests.simulation.choices import Choices

TIERS = (4, 12, 40)
BAD = "bad"
WINDOW_KEY = "$window"
FAILING = "$failing/"


class Broken(Exception):
    """A promise was not kept; the text up to a colon names which."""

    @property
    def promise(self) -> str:
        """Return the name of the promise."""
        return str(self).partition(":")[0]


@dataclass
class Entry:
    """One delivery in the log; `sequence` is its offset."""

    sequence: int
    lane: str
    subscription: str
    kind: str
    accepted_at: int
    registry_version: int

    @property
    def epoch(self) -> int:
        """Return the lane epoch."""
        return int(self.lane.split("/")[1])


@dataclass(frozen=True)
class Committed:
    """A `$window` record."""

    term: int
    tick: int
    window: WindowState

    @property
    def mark(self) -> tuple[int, int]:
        """Return what tells ticks apart (C5)."""
        return self.term, self.tick


@dataclass(frozen=True)
class Waiting:
    """A record of a delay topic."""

    appended_at: int
    term: int
    park: Park


@dataclass
class Broker:
    """What is durable, who may write, and who is a member."""

    retention: int | None = None
    claim: int = 0
    member: int = 0
    log: list[Entry | str | None] = field(default_factory=list)
    appended_at: list[int] = field(default_factory=list)
    begin: int = 0
    tiers: list[list[Waiting | None]] = field(default_factory=lambda: [[] for _ in TIERS])
    tier_begins: list[int] = field(default_factory=lambda: [0] * len(TIERS))
    lanes: list[tuple[str, LaneState | FailingState | Committed | None]] = field(
        default_factory=list
    )
    proven_at: dict[int, int] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)

    # ---- claims and the group

    def init_producer(self, owner: int, now: int) -> int:
        """Fence whoever wrote before; only a member may, or one the group called so (C4)."""
        if owner != self.member and owner not in self.accepted:
            raise Broken("an owner without the partition fenced its successor")
        self.accepted.discard(owner)
        self.claim += 1
        self.proven_at[owner] = now
        return self.claim

    def ask_group(self, owner: int) -> bool:
        """Answer an ordinary group commit: accepted from the member only."""
        if owner == self.member:
            self.accepted.add(owner)
            return True
        return False

    # ---- `lanes`

    def state(self) -> tuple[Committed | None, dict[str, LaneState]]:
        """Read `lanes` from its beginning to its end."""
        found = dict(self.lanes)
        window = found.pop(WINDOW_KEY, None)
        assert window is None or isinstance(window, Committed)
        lanes = {key: state for key, state in found.items() if isinstance(state, LaneState)}
        return window, lanes

    def failing(self) -> dict[str, FailingState]:
        """Read what `lanes` holds of subscriptions that only fail."""
        found = dict(self.lanes).items()
        return {
            key.removeprefix(FAILING): state
            for key, state in found
            if isinstance(state, FailingState)
        }

    def write(self, snapshot: TickSnapshot) -> Committed:
        """Append the state of a tick to `lanes`."""
        written = Committed(snapshot.term, snapshot.tick, snapshot.window)
        self.lanes += snapshot.lanes
        self.lanes += [(FAILING + name, state) for name, state in snapshot.failing]
        self.lanes.append((WINDOW_KEY, written))
        return written

    def compact(self, dice: Choices) -> None:
        """Keep the latest of each key below some offset; tombstones may go."""
        cut = dice.below(len(self.lanes) + 1)
        last = {key: at for at, (key, _) in enumerate(self.lanes)}
        self.lanes = [
            (key, value)
            for at, (key, value) in enumerate(self.lanes)
            if at >= cut or (last[key] == at and (value is not None or dice.chance(0.5)))
        ]

    # ---- logs

    def append(self, entry: Entry | str | None, now: int) -> None:
        """Append to `deliveries`: a delivery, a broken record, or a marker."""
        self.log.append(entry)
        self.appended_at.append(now)

    def read(self, start: int, end: int) -> list[tuple[int, Entry | str]]:
        """Return the records a consumer gets; what retention took is jumped over."""
        found = ((offset, self.log[offset]) for offset in range(max(start, self.begin), end))
        return [(offset, entry) for offset, entry in found if entry is not None]

    def retain(self, now: int, dice: Choices) -> tuple[list[Entry], list[Waiting]]:
        """Delete some of what is older than retention from the start; return what was live."""
        if self.retention is None:
            return [], []
        oldest = now - self.retention
        begin, end = self.begin, self.begin
        while end < len(self.log) and self.appended_at[end] < oldest:
            end += 1
        self.begin = end - dice.below(end - begin + 1)
        gone = [entry for entry in self.log[begin : self.begin] if isinstance(entry, Entry)]
        waiting = []
        for tier, topic in enumerate(self.tiers):
            start = self.tier_begins[tier]
            end = start
            while end < len(topic) and (found := topic[end]) is not None:
                if found.appended_at >= oldest:
                    break
                waiting.append(found)
                end += 1
                while end < len(topic) and topic[end] is None:
                    end += 1
            self.tier_begins[tier] = end
        return gone, waiting

    def find_waiting(self, sequence: int) -> list[tuple[int, int, Waiting]]:
        """Return where a delivery lies in the delay topics."""
        return [
            (tier, offset, found)
            for tier, topic in enumerate(self.tiers)
            for offset, found in enumerate(topic)
            if found is not None
            and offset >= self.tier_begins[tier]
            and found.park.delivery.sequence == sequence
        ]
