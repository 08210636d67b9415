"""What outlasts an owner of a subscription that only fails (DESIGN 8.5).

A breaker lives in memory, but how long a receiver has been dead must not: with a deploy a day no
owner would ever see five days of failures, and a dead endpoint would be tried for ever. Neither may
a takeover shorten what a receiver asked for by `Retry-After`. So a subscription that failed a few
times in a row has a small record of its own in the tick, and loses it with the first success.

A successor finds the breaker as open as it was, with a probe due at once: one attempt at a time, as
a suspect, so a deploy is no second storm for a thousand dead receivers.
"""

from collections.abc import Mapping

from deliverer.policy.items import FailingState
from deliverer.policy.partition import Partition
from deliverer.policy.roster import Seat

REMEMBERED_FROM = 3
"""So many failures in a row, or a retry that failed: a receiver that flaps costs few records, and
a strict lane, whose head makes an attempt a day, is remembered by owners that each see one."""
LONG_WAIT_MS = 60_000


def note(p: Partition, seat: Seat, now: int) -> None:
    """Have the next tick look at a subscription whose health changed."""
    if seat.remembered is not None or _state_of(seat, now) is not None:
        p.failing[seat.subscription] = seat


def forget(p: Partition, seat: Seat) -> None:
    """Have the next tick remove what is remembered of a subscription that is gone."""
    p.failing.pop(seat.subscription, None)
    if seat.remembered is not None:
        p.cured.append(seat.subscription)


def records(p: Partition, now: int) -> list[tuple[str, FailingState | None]]:
    """Return what the next tick writes; None is a tombstone."""
    changed: list[tuple[str, FailingState | None]] = [(name, None) for name in p.cured]
    for name, seat in p.failing.items():
        state = _state_of(seat, now)
        if state != seat.remembered:
            changed.append((name, state))
            seat.remembered = state
        if state is None:
            p.forget_seat(seat, now)
    p.cured = []
    p.failing = {}
    return changed


def restore(p: Partition, found: Mapping[str, FailingState]) -> None:
    """Stand where the former owner's last tick ended."""
    for name, state in found.items():
        policy = p.subscriptions.policy(name)
        if policy is None or policy.status == "disabled":
            p.cured.append(name)
            continue
        seat = p.seats.get(name)
        if seat is None:
            seat = p.seats[name] = Seat(name, policy)
        seat.remembered = state
        if state.not_before:
            seat.not_before = state.not_before
            p.roster.wake_at(seat, state.not_before)
        if state.failures:
            seat.is_suspect = True
            seat.ailing(p.limits).remember(state.failures, state.since, p.limits)


def _state_of(seat: Seat, now: int) -> FailingState | None:
    health = seat.health
    not_before = seat.not_before if seat.not_before - now > LONG_WAIT_MS else 0
    failures = 0 if health is None else health.streak
    is_lasting = health is not None and (failures >= REMEMBERED_FROM or health.has_failed_again)
    if not is_lasting and not not_before:
        return None
    since = health.failing_since if health is not None and failures else 0
    return FailingState(since, failures, not_before)
