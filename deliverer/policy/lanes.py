"""A lane: the queue of one subscription's deliveries, and where its head is.

The phase of a strict lane is a literal table, `TRANSITIONS`; a step that is not in it raises and
changes nothing. Lanes of mode none (and the test lane) have no phase: their deliveries do not wait
for one another.

    free      nothing of the lane is out: the head of the queue may start
    running   one attempt is out
    held      the head waits in a delay topic; the deliveries behind it wait too
    due       the held head's time has come; it waits for a slot
    settling  a dead letter is decided but not committed: the next may not start before (A4)
    gone      the lane's epoch is dead (A5); what still runs is only logged
"""

from bisect import insort
from collections import deque
from enum import StrEnum

from deliverer.policy.items import Attempt, Delivery, LaneState, Parked
from deliverer.policy.window import Window
from schemas.delivery import TEST_PART, parse_lane


class Phase(StrEnum):
    """Where the head of a strict lane is."""

    FREE = "free"
    RUNNING = "running"
    HELD = "held"
    DUE = "due"
    SETTLING = "settling"
    GONE = "gone"


class Step(StrEnum):
    """What can happen to the head of a strict lane."""

    START = "start"
    DELIVERED = "delivered"
    FAILED = "failed"
    DEAD = "dead"
    RETURNED = "returned"
    WOKEN = "woken"
    REPARKED = "reparked"
    COMMITTED = "committed"
    LOST = "lost"
    DROPPED = "dropped"


TRANSITIONS: dict[tuple[Phase, Step], Phase] = {
    (Phase.FREE, Step.START): Phase.RUNNING,  # A1
    (Phase.FREE, Step.DEAD): Phase.SETTLING,  # expired, without an attempt
    (Phase.RUNNING, Step.DELIVERED): Phase.FREE,  # A2
    (Phase.RUNNING, Step.FAILED): Phase.HELD,  # A3; A6 of a head that came from a tier
    (Phase.RUNNING, Step.DEAD): Phase.SETTLING,  # A4
    (Phase.RUNNING, Step.RETURNED): Phase.FREE,  # A6: back to the front of the queue
    (Phase.HELD, Step.WOKEN): Phase.DUE,  # T3
    (Phase.HELD, Step.DEAD): Phase.SETTLING,  # T3: due, and older than max_age
    (Phase.HELD, Step.REPARKED): Phase.HELD,  # T4: due, and the lane does not accept
    (Phase.HELD, Step.LOST): Phase.FREE,  # takeover 4: retention took the record it waits for
    (Phase.DUE, Step.START): Phase.RUNNING,
    (Phase.DUE, Step.DEAD): Phase.SETTLING,
    (Phase.DUE, Step.REPARKED): Phase.HELD,  # T4: no slot
    (Phase.SETTLING, Step.DEAD): Phase.SETTLING,  # the next head is expired as well
    (Phase.SETTLING, Step.COMMITTED): Phase.FREE,  # C3
    (Phase.FREE, Step.DROPPED): Phase.GONE,  # A5, from everywhere
    (Phase.RUNNING, Step.DROPPED): Phase.GONE,
    (Phase.HELD, Step.DROPPED): Phase.GONE,
    (Phase.DUE, Step.DROPPED): Phase.GONE,
    (Phase.SETTLING, Step.DROPPED): Phase.GONE,
}


class IllegalStep(Exception):
    """A step the table does not have: a defect of ours."""

    def __init__(self, lane: str, phase: Phase, step: Step) -> None:
        super().__init__(f"lane {lane}: {step} while {phase}")


class Lane:
    """The deliveries of one lane that this partition holds in memory, in order.

    `inflight` are the attempts out, by sequence; `due` the retries whose time has come; `record`
    what the last tick wrote about the lane (None = nothing, or a tombstone), `moved` that something
    was settled since. `since` is when the lane stopped being simply live. `cur` = the next offset
    to read for a lane that lags, None = live; `cur_at` when the delivery there was accepted (0 =
    unknown); `left_pass` the last pass of the sweep that left it behind, `is_hungry` that it did so
    with a full queue. `behind` counts the deliveries known to lie between cursor and head (what a
    takeover finds there is not known). `done` (mode none only) are settled offsets above the low,
    for a successor that reads them again. `watched_low` is where `sweep.Lows` has the lane.
    """

    __slots__ = (
        "behind",
        "cur",
        "cur_at",
        "done",
        "due",
        "epoch",
        "held",
        "inflight",
        "is_hungry",
        "is_ready",
        "is_strict",
        "is_test",
        "key",
        "left_pass",
        "moved",
        "phase",
        "queue",
        "record",
        "since",
        "subscription",
        "watched_low",
    )

    def __init__(
        self, key: str, *, subscription: str, epoch: int, is_strict: bool, is_test: bool = False
    ) -> None:
        self.key = key
        self.subscription = subscription
        self.epoch = epoch
        self.is_strict = is_strict
        self.is_test = is_test
        self.phase = Phase.FREE
        self.queue: deque[Delivery] = deque()
        self.inflight: dict[int, Attempt] = {}
        self.due: deque[Parked] | None = None  # made when needed: most lanes never have a retry
        self.held: tuple[int, int] | None = None
        self.record: LaneState | None = None
        self.since = 0
        self.is_ready = False
        self.cur: int | None = None
        self.cur_at = 0
        self.done: Window | None = None
        self.left_pass = -1
        self.is_hungry = False
        self.behind = 0
        self.moved = False
        self.watched_low: int | None = None

    def __repr__(self) -> str:
        return f"Lane({self.key} {self.phase} queue={len(self.queue)} held={self.held})"

    def step(self, step: Step) -> None:
        """Move the head of a strict lane; raises IllegalStep on what the table does not have."""
        if not self.is_strict:
            return
        phase = TRANSITIONS.get((self.phase, step))
        if phase is None:
            raise IllegalStep(self.key, self.phase, step)
        self.phase = phase

    @property
    def can_start(self) -> bool:
        """Ask whether the lane itself has something to start now (A1)."""
        if self.due:
            return True
        if not self.queue:
            return False
        return not self.is_strict or self.phase is Phase.FREE or self.phase is Phase.SETTLING

    @property
    def unstarted(self) -> int:
        """How many deliveries are known to wait, the held head apart."""
        return len(self.queue) + len(self.due or ()) + self.behind

    @property
    def is_idle(self) -> bool:
        """Ask whether the lane has nothing left, so that its object may go (C3)."""
        return not (
            self.queue
            or self.inflight
            or self.due
            or self.held
            or self.record
            or self.cur is not None
            or self.phase is Phase.SETTLING
        )

    def low(self, head: int) -> int:
        """Return the least unfinished offset of the lane; `head` when there is none.

        A retry in flight does not count: its offset was settled when it was parked.
        """
        low = head if self.cur is None else self.cur
        if self.queue:
            low = min(low, self.queue[0].sequence)
        for sequence, attempt in self.inflight.items():
            if attempt.source is None and sequence < low:
                low = sequence
        return low

    def wait(self, parked: Parked) -> None:
        """Keep a retry whose time has come until it finds a slot."""
        if self.due is None:
            self.due = deque()
        self.due.append(parked)

    def give_back(self, delivery: Delivery) -> None:
        """Put a delivery back to its place at the front of the queue (A6)."""
        if not self.queue or delivery.sequence < self.queue[0].sequence:
            self.queue.appendleft(delivery)
            return
        ordered = list(self.queue)
        insort(ordered, delivery, key=_sequence)
        self.queue = deque(ordered)


def _sequence(delivery: Delivery) -> int:
    return delivery.sequence


def read_key(key: str) -> tuple[int, bool]:
    """Return the epoch of a lane key and whether it is the test lane.

    Raises ValueError on a key the decoders let through by mistake.
    """
    parsed = parse_lane(key)
    if parsed is None:
        raise ValueError(f"not a lane key: {key!r}")
    return parsed.epoch, parsed.part == TEST_PART
