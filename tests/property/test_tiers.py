"""The delay topics against a naive model: a dict of when which attempt is due.

Three topics, read ahead by two records, with a rest heap of four: what waits hops from one to the
next, is sent back while its subscription is paused, and is read again by the next owner. None of
that may show: an attempt comes when it is due, never earlier, and under its own number.
"""

from dataclasses import dataclass

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deliverer.policy.items import Attempt, Limits, SubscriptionPolicy
from schemas.outcome import Outcome
from tests.property.partition_world import DELAYS, SIZE, PartitionWorld

SCHEDULE = (2_000, 9_000, 70_000, 1_000_000)
LIMITS = Limits(
    tier_read_ahead=2,
    rest_heap_bytes=4 * SIZE,
    buffer_bytes=100_000,
    breaker_failures=1_000,
)
POLICY = SubscriptionPolicy(
    modes={0: "none"}, schedule_ms=SCHEDULE, max_age_ms=10**9, max_in_flight=3
)


@dataclass
class Known:
    """A delivery that is not final: its next attempt, when it is due, and how long it may sleep."""

    number: int = 1
    due_at: int = 0
    sleeps_until: int = 0
    is_out: bool = False


class TiersMachine(RuleBasedStateMachine):
    """Fail, wait, pause, take over; after each step what is due starts, and nothing else."""

    @initialize()
    def begin(self) -> None:
        """Take over an empty partition."""
        self.world = PartitionWorld({"n": POLICY}, LIMITS)
        self.known: dict[int, Known] = {}
        self.out: list[Attempt] = []
        self.seen = 0

    @property
    def _can_start(self) -> bool:
        is_active = self.world.policies["n"].status == "active"
        return is_active and len(self.out) < POLICY.max_in_flight

    def _drive(self) -> None:
        """Let the machine come to rest, and note what may have been sent back meanwhile."""
        self.world.drive()
        for known in self.known.values():
            is_due = 0 < known.due_at <= self.world.now and not known.is_out
            has_waited = known.due_at + LIMITS.slot_wait_ms <= self.world.now
            if is_due and (has_waited or not self._can_start):
                known.sleeps_until = self.world.now + LIMITS.pause_repark_ms

    @rule(count=st.integers(1, 5))
    def publish(self, count: int) -> None:
        """Append deliveries."""
        for _ in range(count):
            self.known[self.world.publish("n/0")] = Known()

    @rule(count=st.integers(1, 3))
    def start(self, count: int) -> None:
        """Start what is due: the machine offers nothing else, and something if there is any."""
        now = self.world.now
        for _ in range(count):
            self._drive()
            attempt = self.world.next_start()
            if attempt is None:
                self._drive()  # it may have sent some back
                assert not self._can_start or not any(
                    max(known.due_at, known.sleeps_until) <= now and not known.is_out
                    for known in self.known.values()
                )
                return
            known = self.known[attempt.delivery.sequence]
            assert self._can_start
            assert not known.is_out
            assert attempt.number == known.number
            assert now >= known.due_at
            known.is_out = True
            self.out.append(attempt)

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(),
        outcome=st.sampled_from((Outcome.HTTP_5XX, Outcome.HTTP_5XX, Outcome.DELIVERED)),
    )
    def end(self, data: st.DataObject, outcome: Outcome) -> None:
        """End any attempt that is out."""
        attempt = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self._end(attempt, outcome)

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        self.world.finish(attempt, outcome)
        known = self.known[attempt.delivery.sequence]
        known.is_out = False
        if outcome is Outcome.DELIVERED or attempt.number > len(SCHEDULE):
            del self.known[attempt.delivery.sequence]
        else:
            known.due_at = self.world.now + SCHEDULE[attempt.number - 1]
            known.number += 1
        self._drive()

    @rule(ms=st.sampled_from((1, 1_999, 2_001, 9_000, 40_000, 400_000)))
    def wait(self, ms: int) -> None:
        """Let time pass."""
        self._drive()
        self.world.now += ms
        self._drive()

    @rule(status=st.sampled_from(("paused", "active", "active")))
    def edit(self, status: str) -> None:
        """Pause or resume the subscription."""
        self._drive()
        self.world.edit("n", msgspec.structs.replace(POLICY, status=status))
        self._drive()

    @rule()
    def take_over(self) -> None:
        """Let another owner begin; what is out comes again, under the same number."""
        self._drive()
        last = self.world.tick()
        for attempt in self.out:
            self.known[attempt.delivery.sequence].is_out = False
        self.out.clear()
        self.world.take_over(last)

    @invariant()
    def every_retry_lies_in_one_delay_topic(self) -> None:
        """Once, unsettled, with its number and its due time or a later one."""
        windows = self.world.machine._state.tiers.windows
        waiting = sorted(
            (parked.delivery.sequence, parked.attempt)
            for window, topic in zip(windows, self.world.tiers, strict=True)
            for parked in topic
            if parked.offset >= window.low and not window.settled(parked.offset)
        )
        expected = sorted((seq, known.number) for seq, known in self.known.items() if known.due_at)

        assert waiting == expected

    @invariant()
    def a_topic_never_overshoots(self) -> None:
        """Each record went to the longest delay that is not longer than its wait (T1)."""
        for now, park in self.world.parks[self.seen :]:
            fitting = [tier for tier, delay in enumerate(DELAYS) if delay <= park.due_at - now]
            assert park.tier == max(fitting, default=0)
            assert park.due_at >= self.known[park.delivery.sequence].due_at
        self.seen = len(self.world.parks)

    @invariant()
    def read_ahead_keeps_its_bounds(self) -> None:
        """What lies ahead is counted per topic, what is about to wake in bytes."""
        tiers = self.world.machine._state.tiers

        assert all(ahead <= LIMITS.tier_read_ahead for ahead in tiers._ahead)
        assert tiers.rest_bytes <= LIMITS.rest_heap_bytes + LIMITS.tier_read_ahead * 3 * SIZE

    def teardown(self) -> None:
        """Let everything succeed: nothing stays in a delay topic."""
        if not hasattr(self, "world"):
            return
        self.edit("active")
        for _ in range(1_000):
            while self.out:
                self._end(self.out.pop(), Outcome.DELIVERED)
            self.wait(50_000)
            self.start(count=3)
            if not self.out and not self.known:
                break
        self._drive()

        assert not self.known
        assert self.world.machine.buffered_bytes == 0


TiersMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
TestTiers = TiersMachine.TestCase
