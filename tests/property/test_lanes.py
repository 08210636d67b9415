"""Lanes against a naive model: a list of deliveries a lane, and what may start by PROTOCOL A1.

The machine has queues of two, a window of twelve and a sweep; the model has only the lists. Lanes
are held, lag, are given back and caught up all the time, and none of it may show.
"""

from dataclasses import dataclass

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deliverer.policy.items import Attempt, Limits, SubscriptionPolicy
from schemas.outcome import Outcome
from tests.property.partition_world import PartitionWorld

SCHEDULE = (6_000, 40_000)
LIMITS = Limits(
    window_offsets=12,
    lane_queue=2,
    lane_queue_max=4,
    lane_done=3,
    buffer_bytes=100_000,
    breaker_failures=1_000,
)
IN_FLIGHT = 3
LANES = ("s/0", "s/0/7", "n/0")


@dataclass
class Known:
    """What the model knows of a delivery: the attempt that comes, and when it may.

    `sleeps_until`: it came due while it could not start, so it may sleep on so long (T4).
    """

    number: int = 1
    due_at: int = 0
    sleeps_until: int = 0
    is_out: bool = False


def _policy(mode: str) -> SubscriptionPolicy:
    modes = dict.fromkeys(range(100), mode)
    return SubscriptionPolicy(
        modes=modes,  # type: ignore[arg-type]
        schedule_ms=SCHEDULE,
        max_age_ms=10**9,
        max_in_flight=IN_FLIGHT,
    )


class LanesMachine(RuleBasedStateMachine):
    """Publish, start, end, pause, drop; after each step both sides agree on what may start."""

    @initialize()
    def begin(self) -> None:
        """Take over an empty partition."""
        self.world = PartitionWorld({"s": _policy("strict"), "n": _policy("none")}, LIMITS)
        self.lanes: dict[str, dict[int, Known]] = {}
        self.out: list[Attempt] = []

    def _can_start(self, name: str) -> bool:
        policy = self.world.policies[name]
        running = sum(attempt.delivery.subscription == name for attempt in self.out)
        return policy.status == "active" and running < policy.max_in_flight

    def _drive(self) -> None:
        self.world.drive()
        for lane, waiting in self.lanes.items():
            for known in waiting.values():
                is_due = 0 < known.due_at <= self.world.now and not known.is_out
                has_waited = known.due_at + LIMITS.slot_wait_ms <= self.world.now
                if is_due and (has_waited or not self._can_start(lane[0])):
                    known.sleeps_until = self.world.now + LIMITS.pause_repark_ms

    def _startable(self) -> set[tuple[int, int]]:
        found: set[tuple[int, int]] = set()
        for lane, waiting in self.lanes.items():
            if not self._can_start(lane[0]):
                continue
            # Strict: nobody but the first that is not final.
            open_ones = sorted(waiting)[:1] if lane[0] == "s" else sorted(waiting)
            for sequence in open_ones:
                known = waiting[sequence]
                if not known.is_out and known.due_at <= self.world.now:
                    found.add((sequence, known.number))
        return found

    @rule(lane=st.sampled_from(LANES), count=st.integers(1, 6))
    def publish(self, lane: str, count: int) -> None:
        """Append deliveries of one lane, in the epoch of today."""
        name, _, *part = lane.split("/")
        key = "/".join([name, str(self.world.policies[name].lane_epoch), *part])
        for _ in range(count):
            self.lanes.setdefault(key, {})[self.world.publish(key)] = Known()

    @rule(count=st.integers(1, 4))
    def start(self, count: int) -> None:
        """Start what the machine offers; the model must allow it, and offer nothing else."""
        for _ in range(count):
            self._drive()
            expected = self._startable()
            attempt = self.world.next_start()
            if attempt is None:
                assert not {pair for pair in expected if not self._may_wait(pair[0])}
                return
            assert (attempt.delivery.sequence, attempt.number) in expected
            self.lanes[attempt.delivery.lane][attempt.delivery.sequence].is_out = True
            self.out.append(attempt)

    def _may_wait(self, sequence: int) -> bool:
        """Say whether one that may start need not: it sleeps on, or its lane's done set is full."""
        lane = self.world.log[sequence].lane
        if self.lanes[lane][sequence].sleeps_until > self.world.now:
            return True
        return lane[0] == "n" and any(attempt.delivery.lane == lane for attempt in self.out)

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(),
        outcome=st.sampled_from((Outcome.DELIVERED, Outcome.HTTP_5XX, Outcome.CANCELLED)),
        is_committed=st.booleans(),
    )
    def end(self, data: st.DataObject, outcome: Outcome, is_committed: bool) -> None:
        """End any attempt that is out."""
        attempt = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.world.finish(attempt, outcome)
        self._note_end(attempt, outcome)
        if is_committed:
            self.world.tick()

    def _note_end(self, attempt: Attempt, outcome: Outcome) -> None:
        lane = self.lanes.get(attempt.delivery.lane, {})
        known = lane.get(attempt.delivery.sequence)
        if known is None:
            return  # dropped meanwhile
        known.is_out = False
        if outcome is Outcome.CANCELLED:
            if attempt.source is not None:
                known.due_at = self.world.now + 5_000  # through the shortest delay topic
        elif outcome is Outcome.DELIVERED or attempt.number > len(SCHEDULE):
            del lane[attempt.delivery.sequence]
        else:
            known.due_at = self.world.now + SCHEDULE[attempt.number - 1]
            known.number += 1

    @rule(ms=st.sampled_from((1, 4_000, 6_000, 40_000)))
    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.world.now += ms

    @rule(name=st.sampled_from("sn"), change=st.sampled_from(("pause", "resume", "resume", "drop")))
    def edit(self, name: str, change: str) -> None:
        """Pause, resume, or disable and enable: then everything that waits is final (A5)."""
        policy = self.world.policies[name]
        self._drive()
        if change != "drop":
            status = "paused" if change == "pause" else "active"
            self.world.edit(name, msgspec.structs.replace(policy, status=status))
            return
        epoch = policy.lane_epoch + 1
        changed = msgspec.structs.replace(policy, lane_epoch=epoch, drop_before=epoch)
        self.world.edit(name, changed)
        for lane in [lane for lane in self.lanes if lane.startswith(name)]:
            del self.lanes[lane]

    @invariant()
    def queues_keep_their_bound(self) -> None:
        """However much waits, what is in memory does not grow with it."""
        lanes = self.world.machine._state.lanes.values()

        # What was out goes back to its queue when it is cut short (A6).
        assert all(len(lane.queue) <= LIMITS.lane_queue_max + IN_FLIGHT for lane in lanes)
        assert self.world.machine.in_flight == len(self.out)

    def teardown(self) -> None:
        """Let everything succeed: all is delivered, and nothing durable is left."""
        if not hasattr(self, "world"):
            return
        for name, policy in self.world.policies.items():
            self.world.edit(name, msgspec.structs.replace(policy, status="active"))
        for _ in range(1_000):
            while self.out:
                attempt = self.out.pop()
                self.world.finish(attempt, Outcome.DELIVERED)
                self._note_end(attempt, Outcome.DELIVERED)
            self.world.now += 7_000
            self.start(count=1)
            if not self.out and not any(self.lanes.values()):
                break
        self.world.drive()

        assert not any(self.lanes.values())
        assert not self.world.machine._state.lanes
        assert self.world.machine.low_mark == len(self.world.log)


LanesMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
TestLanes = LanesMachine.TestCase
