"""Settle an attempt that ended (A2-A6)."""

from deliverer.policy import failing
from deliverer.policy.breaker import HALVING_STATUSES, Health
from deliverer.policy.items import (
    Attempt,
    AttemptLabel,
    AttemptLog,
    AttemptReport,
    DeadLetter,
    Disable,
    Notice,
)
from deliverer.policy.lagging import give_back
from deliverer.policy.lanes import Lane, Step
from deliverer.policy.outcome import (
    VERDICTS,
    Again,
    Dead,
    Delivered,
    Retry,
    Verdict,
    decide,
    is_suspect,
)
from deliverer.policy.partition import Partition
from deliverer.policy.retry import back_off_ms, due_at, expires_at
from deliverer.policy.roster import Seat
from deliverer.policy.writing import dead, park
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome

LOGGED_BYTES_MAX = 1_024
"""What the end of an attempt counts for until it is committed: ids and headers, not the body."""


def finish(p: Partition, attempt: Attempt, report: AttemptReport, now: int) -> list[Notice]:
    """Decide what becomes of a delivery whose attempt ended; returns what the shell must do."""
    is_delivered = report.outcome is Outcome.DELIVERED
    if not is_delivered and p.fate.charges_nobody(report.outcome):
        report = _as_ours(report)
    delivery = attempt.delivery
    p.in_flight -= 1
    seat = p.seats.get(delivery.subscription)
    lane = p.lanes.get(delivery.lane)
    if seat is not None:
        seat.in_flight -= 1
        if not is_delivered or seat.health is not None:
            _judge(p, seat, attempt=attempt, report=report, now=now)
    if seat is None or lane is None:
        _finish_dropped(p, attempt, report)
        if seat is not None:
            p.roster.relist(seat)
            p.forget_seat(seat, now)
        return []
    del lane.inflight[delivery.sequence]
    seat.is_suspect = is_suspect(report.outcome, seat.is_suspect)
    next_at = _apply(p, seat, lane, attempt=attempt, report=report, now=now)
    notices = _notices(p, seat, report, now)
    _log(p, attempt, report, next_at=None if notices else next_at)
    if lane.cur is not None:
        p.want_sweep(lane)
    if lane.can_start:
        p.roster.offer(seat, lane)
    elif lane.is_idle:
        p.idle[lane.key] = lane
    p.roster.relist(seat)
    return notices


def _as_ours(report: AttemptReport) -> AttemptReport:
    """Read a failure that many share as a fault of ours: nobody is charged (A6)."""
    return AttemptReport(
        outcome=Outcome.LOCAL_FAULT,
        started_at=report.started_at,
        finished_at=report.finished_at,
        duration_ms=report.duration_ms,
        detail=f"many fail alike: {report.outcome}",
    )


def _judge(p: Partition, seat: Seat, *, attempt: Attempt, report: AttemptReport, now: int) -> None:
    """Note what an attempt says about the receiver, whatever becomes of its delivery."""
    back_off = back_off_ms(report.status, report.retry_after_ms)
    if back_off:
        seat.not_before = max(seat.not_before, now + back_off)
    verdict = VERDICTS[report.outcome]
    sequence, limits = attempt.delivery.sequence, p.limits
    health = seat.ailing(limits)
    was_open = health.is_open
    if verdict is Verdict.NOT_MADE:
        health.not_made(sequence, now)
    elif verdict is Verdict.FAILURE and not report.wants_abort:
        health.failed(sequence, now, limits, jitter=p.jitter())
        health.has_failed_again |= attempt.number > 1
        if report.status in HALVING_STATUSES:
            health.halve(seat.policy.max_in_flight)
    # What else it says about the one delivery (gone, aborted), it answers.
    elif health.succeeded(seat.policy.max_in_flight, limits):
        p.reopen(seat)
    if health.is_open is not was_open:
        attempt.breaker = "opened" if health.is_open else "closed"
    if health.is_good:
        seat.health = None
    failing.note(p, seat, now)


def _apply(
    p: Partition, seat: Seat, lane: Lane, *, attempt: Attempt, report: AttemptReport, now: int
) -> int | None:
    """Carry out the decision; returns when the next attempt is due, if there is one."""
    policy = seat.policy
    decision = decide(
        report,
        is_expired=now - attempt.delivery.accepted_at > policy.max_age_ms,
        is_exhausted=attempt.number > len(policy.schedule_ms),
    )
    if isinstance(decision, Again):
        return _again(p, seat, lane, attempt=attempt, report=report, now=now)
    p.buffered_bytes -= attempt.delivery.size
    p.settle(lane, attempt)
    if isinstance(decision, Delivered) or lane.is_test:
        lane.step(Step.DELIVERED)
        if lane.held is not None:
            p.release_hold(lane)
        return None
    _remember(attempt, report)
    if isinstance(decision, Dead):
        dead(p, lane, _letter(attempt, report, decision.reason))
        return None
    assert isinstance(decision, Retry)
    due = due_at(policy.schedule_ms, attempt.number, now=now, jitter=p.jitter())
    assert due is not None, "decide() said the schedule has another attempt"
    due = max(due, now + back_off_ms(report.status, report.retry_after_ms))
    return _retry_at(p, seat, lane, attempt=attempt, number=attempt.number + 1, at=due, now=now)


def _again(
    p: Partition, seat: Seat, lane: Lane, *, attempt: Attempt, report: AttemptReport, now: int
) -> int | None:
    """Put the delivery back where it came from, with the same number (A6)."""
    if report.outcome is Outcome.LOCAL_FAULT:
        # A fault of ours would be met again at once: a pause, longer each time, and no attempt
        # burnt.
        pause_ms = seat.ailing(p.limits).local_fault(p.limits)
        seat.not_before = max(seat.not_before, now + pause_ms)
        p.roster.wake_at(seat, seat.not_before)
    if attempt.source is None:
        lane.step(Step.RETURNED)
        if lane.cur is None or attempt.delivery.sequence < lane.cur:
            lane.give_back(attempt.delivery)
        else:  # the lane reads it again: its cursor stands below
            p.buffered_bytes -= attempt.delivery.size
            lane.behind += 1
        return None
    p.buffered_bytes -= attempt.delivery.size
    p.settle(lane, attempt)
    due = max(seat.waits_until, now + p.tiers.delays_ms[0])
    return _retry_at(p, seat, lane, attempt=attempt, number=attempt.number, at=due, now=now)


def _retry_at(
    p: Partition, seat: Seat, lane: Lane, *, attempt: Attempt, number: int, at: int, now: int
) -> int | None:
    """Hold the lane and let the delivery wait until then; None when it will be too old by then."""
    expiry = expires_at(attempt.delivery.accepted_at, seat.policy.max_age_ms)
    _hold(p, lane, attempt, number=number, now=now)
    park(p, attempt, number, due_at=at, wake_at=min(at, expiry), now=now)
    return at if at < expiry else None


def _hold(p: Partition, lane: Lane, attempt: Attempt, *, number: int, now: int) -> None:
    if not lane.is_strict:
        return
    lane.step(Step.FAILED)
    if lane.held is None and lane.record is None:
        lane.since = now
    lane.held = (attempt.delivery.sequence, number)
    p.touched[lane.key] = lane
    give_back(p, lane)


def _remember(attempt: Attempt, report: AttemptReport) -> None:
    attempt.last_outcome = report.outcome
    attempt.last_status = report.status
    attempt.last_attempt_at = report.started_at
    if attempt.first_attempt_at is None:
        attempt.first_attempt_at = report.started_at


def _letter(attempt: Attempt, report: AttemptReport, reason: DeadLetterReason) -> DeadLetter:
    return DeadLetter(
        attempt.delivery,
        reason,
        attempt.number,
        attempt.first_attempt_at,
        report.started_at,
        report.outcome,
        report.status,
        report.response,
    )


def _notices(p: Partition, seat: Seat, report: AttemptReport, now: int) -> list[Notice]:
    """Stop a subscription whose receiver is gone, asks for it (R4), or failed for days.

    410 says it louder than the wish. What the days were is known to this owner only.
    """
    notice = None
    if report.outcome is Outcome.HTTP_410:
        notice = Disable(seat.subscription, "gone")
    elif report.wants_disable:
        notice = Disable(seat.subscription, "receiver")
    elif seat.health is not None and _is_given_up(p, seat.health, now):
        notice = Disable(seat.subscription, "failing")
    if notice is None:
        return []
    seat.stopped_epoch = seat.policy.lane_epoch
    return [notice]


def _is_given_up(p: Partition, health: Health, now: int) -> bool:
    return health.is_failing(now, p.limits) and not p.fate.is_suspected


def _finish_dropped(p: Partition, attempt: Attempt, report: AttemptReport) -> None:
    """Log the end of an attempt whose lane was dropped meanwhile (A5).

    Its place in the log was settled with the lane; a removed subscription has no record of it
    either (CONTRACT 3.2).
    """
    p.buffered_bytes -= attempt.delivery.size
    if attempt.source is not None:
        p.settle_source(attempt.source)
        p.is_dirty = True
    if p.subscriptions.policy(attempt.delivery.subscription) is not None:
        _log(p, attempt, report, next_at=None)


def _log(p: Partition, attempt: Attempt, report: AttemptReport, *, next_at: int | None) -> None:
    p.put_out(
        AttemptLog(
            attempt.delivery,
            attempt.number,
            _label(attempt),
            report.outcome,
            report.status,
            report.started_at,
            report.duration_ms,
            next_at,
            report.detail,
        ),
        min(attempt.delivery.size, LOGGED_BYTES_MAX),
    )


def _label(attempt: Attempt) -> AttemptLabel:
    kind = attempt.delivery.kind
    if kind == "test":
        return "test"
    if kind == "replay":
        return "replay"
    return "first" if attempt.number == 1 else "retry"
