"""The judge of what an owner must hold back: the rate limit, and the breaker's openings.

It keeps its own plain books: every start of a subscription since the last edit, and the failures in
a row. What a takeover forgets it forgets, too: each owner has a judge of its own. It begins with
what is durable of failures: an open breaker has one probe due, not a storm.
"""

from collections.abc import Mapping

from deliverer.policy.items import Attempt, AttemptReport, FailingState, Limits, SubscriptionPolicy
from schemas.outcome import Outcome
from tests.simulation.broker import Broken
from tests.simulation.world import World

OURS = (Outcome.LOCAL_FAULT, Outcome.CANCELLED)


class Restraint:
    """Judge the starts of one owner."""

    def __init__(self, world: World, limits: Limits, failing: Mapping[str, FailingState]) -> None:
        self.world = world
        self.limits = limits
        self.starts: dict[str, list[int]] = {}
        self.streak = {name: state.failures for name, state in failing.items()}
        self.closed_until = dict.fromkeys(failing, world.now)
        self.probes: dict[str, int] = {}

    def edited(
        self, name: str, old: SubscriptionPolicy | None, new: SubscriptionPolicy | None
    ) -> None:
        """Take a new version: another rate perhaps; a probe may go; enabled, it begins anew."""
        self.starts.pop(name, None)
        if old is None or new is None or (new.status == "active" and old.status != "active"):
            self._close(name)
        elif name in self.closed_until and name not in self.probes:
            self.closed_until[name] = self.world.now

    def started(self, attempt: Attempt, policy: SubscriptionPolicy) -> None:
        """Judge a start: not above the rate, not while the breaker is open."""
        world, name = self.world, attempt.delivery.subscription
        times = self.starts.setdefault(name, [])
        times.append(world.now)
        rate = policy.rate_limit
        if rate is not None:
            world.count("limited starts")
            for index, at in enumerate(times):
                allowed = rate.burst + (world.now - at) / rate.interval_ms
                if len(times) - index > allowed + 1e-6:
                    raise Broken("above the rate limit")
        if self.streak.get(name, 0) < self.limits.breaker_failures:
            return
        if attempt.delivery.kind != "test" and world.now < self.closed_until[name]:
            raise Broken("started although the breaker is open")
        if self.probes.get(name) is None:
            self.probes[name] = attempt.delivery.sequence
            self.closed_until[name] = max(self.closed_until[name], world.now + self.limits.probe_ms)

    def finished(self, attempt: Attempt, report: AttemptReport) -> None:
        """Take how an attempt ended into the books."""
        world, name = self.world, attempt.delivery.subscription
        is_probe = self.probes.get(name) == attempt.delivery.sequence
        if is_probe:
            del self.probes[name]
        if report.outcome in OURS or world.charges_nobody(report.outcome):
            if is_probe:
                self.closed_until[name] = world.now
            return
        is_open = self.streak.get(name, 0) >= self.limits.breaker_failures
        if report.outcome in (Outcome.DELIVERED, Outcome.HTTP_410) or report.wants_abort:
            world.count("breakers closed", is_open)
            self._close(name)
            return
        self.streak[name] = self.streak.get(name, 0) + 1
        if is_probe or self.streak[name] == self.limits.breaker_failures:
            world.count("breakers opened", not is_open)
            self.closed_until[name] = world.now + self.limits.probe_ms

    def _close(self, name: str) -> None:
        self.streak.pop(name, None)
        self.closed_until.pop(name, None)
        self.probes.pop(name, None)
