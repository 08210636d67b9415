"""Decide which attempt starts next (A1), and what a lane does that does not accept (T4)."""

from collections import deque
from collections.abc import Callable

from deliverer.policy.items import Attempt, Hosts, Parked
from deliverer.policy.lagging import give_back, look_again
from deliverer.policy.lanes import Lane, Phase, Step
from deliverer.policy.limiter import Bucket
from deliverer.policy.partition import Partition
from deliverer.policy.retry import expires_at
from deliverer.policy.roster import Seat
from deliverer.policy.writing import expire_first, expire_parked, park_again

REFUSALS_MAX = 16  # kinds change while one stands in line: look a little further, not over all
SUSPECTS_FIRST = 5  # every fifth attempt, so that a busy partition still retries


def next_start(
    p: Partition,
    now: int,
    admits: Callable[[bool], bool] | None = None,
    hosts: Hosts | None = None,
) -> Attempt | None:
    """Return the next attempt, subscriptions in turn; None = nothing may start now.

    `admits(is_suspect)` says whether a slot of the process is free for a suspect or for one that is
    well; who is turned away keeps its turn. `hosts` says whether a host has room; whoever finds its
    host full waits in a line until it calls.
    """
    if not p.is_confirmed:
        return None
    roster, attempt = p.roster, None
    if roster.sated:
        roster.readmit(len(roster.sated) if hosts is None else hosts.spare)
    if hosts is not None:
        for host in hosts.calls():
            roster.call(host)
    is_turn_of_suspects = p.tried % SUSPECTS_FIRST == 0
    p.tried += 1
    if is_turn_of_suspects and roster.suspects:
        attempt = _first_of(p, roster.suspects, now, admits=admits, hosts=hosts)
    if attempt is None:
        attempt = _first_of(p, roster.ring, now, admits=admits, hosts=hosts)
    if attempt is None and roster.suspects:
        attempt = _first_of(p, roster.suspects, now, admits=admits, hosts=hosts)
    return attempt


def _first_of(
    p: Partition,
    ring: deque[Seat],
    now: int,
    *,
    admits: Callable[[bool], bool] | None,
    hosts: Hosts | None,
) -> Attempt | None:
    refusals = 0
    for _ in range(len(ring)):
        seat = ring.popleft()
        if seat.is_suspect and ring is p.roster.ring:  # it failed while it stood in line
            p.roster.suspects.append(seat)
            continue
        if admits is not None and not admits(seat.is_suspect):
            if seat.called_to is not None:
                p.roster.answer(seat, has_used=False)
            ring.append(seat)
            refusals += 1
            if refusals == REFUSALS_MAX:
                return None
            continue
        seat.is_listed = False
        attempt = _turn(p, seat, now, hosts)
        if seat.called_to is not None:  # one that is listed went back to its line
            is_its_host = seat.called_to == seat.host
            has_used = is_its_host and (attempt is not None or seat.is_listed)
            p.roster.answer(seat, has_used=has_used)
        if attempt is not None:
            p.roster.relist(seat)
            return attempt
    return None


def _has_place(p: Partition, seat: Seat, hosts: Hosts | None) -> bool:
    """Ask whether the host of a subscription has room; if not, it waits in line."""
    if hosts is None:
        return True
    host = seat.host = hosts.host_of(seat.subscription)
    if host is None:
        return True
    is_next = seat.called_to == host or host not in p.roster.lines
    if is_next and hosts.has_room(host):
        return True
    p.roster.line_up(seat, host)
    hosts.waits(seat.subscription)
    return False


def repark(p: Partition, seat: Seat, lane: Lane, *, parked: Parked, now: int) -> None:
    """Send a due retry back to a delay topic, with the same number (T4)."""
    p.counts.reparks += 1
    lane.step(Step.REPARKED)
    at = accepts_again_at(p, seat, now)
    expiry = expires_at(parked.delivery.accepted_at, seat.policy.max_age_ms)
    park_again(p, parked, due_at=at, wake_at=min(at, expiry), now=now)


def accepts_again_at(p: Partition, seat: Seat, now: int) -> int:
    """Return when a retry that cannot start should be looked at again."""
    wait_ms = p.tiers.delays_ms[0] if seat.is_open else p.limits.pause_repark_ms
    waits_until = seat.waits_until
    if seat.is_open and waits_until > now:
        return waits_until
    return max(waits_until, now + wait_ms)


def _turn(p: Partition, seat: Seat, now: int, hosts: Hosts | None) -> Attempt | None:
    is_limited = seat.bucket is not None and _waits_for_token(p, seat, seat.bucket, now)
    if not seat.accepts(now):
        return _closed_turn(p, seat, now, hosts)
    bound = seat.policy.max_in_flight
    if seat.health is not None:
        bound = seat.health.bound(bound)
    if is_limited or seat.in_flight >= bound:
        return None  # back by a timer, or when one of them ends
    if seat.in_flight and hosts is not None and hosts.spare <= 0:
        p.roster.sate(seat)
        return None
    if not _has_place(p, seat, hosts):
        return None  # back when its host calls
    ready = seat.ready
    while ready:
        lane = ready.pop(0)
        lane.is_ready = False
        attempt = _start_first(p, seat, lane, now)
        if attempt is not None:
            if lane.can_start:
                lane.is_ready = True
                ready.append(lane)
            return attempt
    return None


def _waits_for_token(p: Partition, seat: Seat, bucket: Bucket, now: int) -> bool:
    """Ask whether the rate limit makes a subscription wait; if long, it accepts nothing so long."""
    ready_at = bucket.ready_at(now)
    if ready_at <= now:
        return False
    if ready_at - now > p.limits.short_wait_ms:
        bucket.closed_until = ready_at
    p.roster.wake_at(seat, ready_at)
    return True


def _start_first(p: Partition, seat: Seat, lane: Lane, now: int) -> Attempt | None:
    oldest = now - seat.policy.max_age_ms
    while lane.due:
        parked = lane.due.popleft()
        p.leave_wait(parked)
        if parked.delivery.accepted_at < oldest:
            expire_parked(p, lane, parked)
            continue
        p.tiers.rest_bytes -= parked.delivery.size
        return p.start(seat, lane, _attempt_of(parked), now=now)
    queue = lane.queue
    if queue and queue[0].accepted_at < oldest:
        _expire_queue(p, lane, oldest)
    if not queue or (lane.is_strict and lane.phase is not Phase.FREE):
        return None
    return p.start(seat, lane, Attempt(queue.popleft(), 1), now=now)


def _attempt_of(parked: Parked) -> Attempt:
    return Attempt(
        parked.delivery,
        parked.attempt,
        (parked.tier, parked.offset),
        parked.first_attempt_at,
        parked.last_outcome,
        parked.last_status,
        parked.last_attempt_at,
        due_at=parked.due_at,
    )


def _expire_queue(p: Partition, lane: Lane, oldest: int) -> None:
    """Dead-letter what is too old at the front; the order of final states is kept."""
    queue = lane.queue
    while queue and queue[0].accepted_at < oldest and lane.can_start:
        expire_first(p, lane)
        if not queue and lane.is_idle:
            p.idle[lane.key] = lane


def _closed_turn(p: Partition, seat: Seat, now: int, hosts: Hosts | None) -> Attempt | None:
    """Clear the ready lanes of a subscription that does not accept; only a test may start."""
    oldest = now - seat.policy.max_age_ms
    while seat.ready:
        lane = seat.ready.pop(0)
        lane.is_ready = False
        if lane.is_test and seat.accepts_tests(now) and seat.has_token(now):
            if not _has_place(p, seat, hosts):
                lane.is_ready = True
                seat.ready.append(lane)
                return None
            attempt = _start_first(p, seat, lane, now)
            if attempt is not None:
                p.roster.offer(seat, lane)
                return attempt
            continue
        while lane.due:
            parked = lane.due.popleft()
            p.leave_wait(parked)
            if parked.delivery.accepted_at < oldest:
                expire_parked(p, lane, parked)
            else:
                repark(p, seat, lane, parked=parked, now=now)
        _expire_queue(p, lane, oldest)
        give_back(p, lane)
    look_again(p, seat, now)
    return None
