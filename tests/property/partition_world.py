"""One partition with real logs and a Machine, for tests that compare it with a naive model."""

from deliverer.policy.items import (
    Attempt,
    AttemptReport,
    Delivery,
    Extent,
    LaneState,
    Limits,
    Park,
    Parked,
    RecoveredState,
    SubscriptionPolicy,
    TickSnapshot,
)
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import parked

DELAYS = (5_000, 30_000, 300_000)
SIZE = 10
ROUNDS_MAX = 200


class PartitionWorld:
    """Logs, a registry, a clock and the machine; `drive` does what a shell does in between."""

    def __init__(self, policies: dict[str, SubscriptionPolicy], limits: Limits) -> None:
        self.policies = policies
        self.limits = limits
        self.now = 1_000_000
        self.log: list[Delivery] = []
        self.tiers: list[list[Parked]] = [[] for _ in DELAYS]
        self.parks: list[tuple[int, Park]] = []
        self.lanes: dict[str, LaneState] = {}
        self.take_over(None)

    def take_over(self, last: TickSnapshot | None) -> None:
        """Let another owner begin where a tick ended."""
        self.machine = Machine(
            partition_state=RecoveredState(
                term=0 if last is None else last.term,
                tick=0 if last is None else last.tick,
                window=None if last is None else last.window,
                lanes=dict(self.lanes),
                deliveries=Extent(0, len(self.log)),
                tiers=tuple(Extent(0, len(topic)) for topic in self.tiers),
            ),
            subscriptions=self,
            limits=self.limits,
            tiers=DELAYS,
            jitter=lambda: 0.0,
        )
        self.drive()

    def policy(self, subscription: str) -> SubscriptionPolicy | None:
        """Answer the machine."""
        return self.policies.get(subscription)

    def publish(self, lane: str) -> int:
        """Append a delivery to the log; returns its offset."""
        offset = len(self.log)
        subscription = lane.partition("/")[0]
        self.log.append(
            Delivery(offset, lane, subscription, "msg", "first", self.now, 0, SIZE, None)
        )
        return offset

    def edit(self, subscription: str, policy: SubscriptionPolicy) -> None:
        """Let the registry change."""
        self.policies[subscription] = policy
        self.machine.registry_changed(subscription, self.now)

    def finish(self, attempt: Attempt, outcome: Outcome, **fields: object) -> None:
        """Report how an attempt ended."""
        times = {"started_at": self.now, "finished_at": self.now, "duration_ms": 0}
        report = AttemptReport(outcome=outcome, **(times | fields))  # type: ignore[arg-type]
        self.machine.finish(attempt, report, self.now)

    def next_start(self) -> Attempt | None:
        """Ask for the next attempt."""
        return self.machine.next_start(self.now)

    def drive(self) -> None:
        """Read, sweep, wake and commit until nothing moves any more."""
        for _ in range(ROUNDS_MAX):
            self._read()
            self.machine.wake(self.now)
            has_swept = self._sweep()
            if not self.machine.has_output and not has_swept and self._is_read:
                return
            self.tick()
        raise AssertionError("the machine never comes to rest")

    def tick(self) -> TickSnapshot:
        """Commit; what was parked stands in its delay topic then."""
        snapshot = self.machine.begin_tick(self.now)
        for output in snapshot.outputs:
            if isinstance(output, Park):
                self.parks.append((self.now, output))
                topic = self.tiers[output.tier]
                topic.append(parked(output, len(topic), appended_at=self.now, term=snapshot.term))
        for key, state in snapshot.lanes:
            self.lanes.pop(key, None)
            if state is not None:
                self.lanes[key] = state
        self.machine.committed(self.now)
        return snapshot

    def _read(self) -> None:
        machine = self.machine
        while machine.can_read_head() and machine.head_position < len(self.log):
            at = machine.head_position
            machine.read_head(self.log[at : at + 1], end=at + 1, now=self.now)
        for tier, topic in enumerate(self.tiers):
            while machine.can_read_tier(tier) and machine.tier_position(tier) < len(topic):
                at = machine.tier_position(tier)
                assert machine.read_tier(tier, topic[at : at + 1], end=at + 1, now=self.now)

    @property
    def _is_read(self) -> bool:
        return not self.machine.can_read_head() or self.machine.head_position == len(self.log)

    def _sweep(self) -> bool:
        has_swept = False
        for _ in range(ROUNDS_MAX):
            target = self.machine.sweep_target(self.now)
            if target is None:
                return has_swept
            has_swept = True
            end = min(len(self.log), target + 3)
            self.machine.read_sweep(self.log[target:end], start=target, end=end, now=self.now)
        raise AssertionError("the sweep finds no rest")
