"""Write what the next tick carries out: deliveries to delay topics, and dead letters."""

from deliverer.policy.items import Attempt, DeadLetter, Park, Parked
from deliverer.policy.lanes import Lane, Step
from deliverer.policy.partition import Partition
from deliverer.policy.retry import choose_tier
from schemas.dead_letter import DeadLetterReason


def park(
    p: Partition, attempt: Attempt, number: int, *, due_at: int, wake_at: int, now: int
) -> None:
    """Write an attempt's delivery to the delay topic that suits its rest (T1).

    It is looked at when it is due, or earlier at `wake_at`, when it will be too old.
    """
    p.put_out(
        Park(
            attempt.delivery,
            choose_tier(wake_at - now, p.tiers.delays_ms),
            number,
            due_at,
            attempt.first_attempt_at,
            attempt.last_outcome,
            attempt.last_status,
            attempt.last_attempt_at,
        ),
        attempt.delivery.size,
    )


def park_again(p: Partition, parked: Parked, *, due_at: int, wake_at: int, now: int) -> None:
    """Write a record to a delay topic once more, with the same number (hop, T4)."""
    p.put_out(
        Park(
            parked.delivery,
            choose_tier(wake_at - now, p.tiers.delays_ms),
            parked.attempt,
            due_at,
            parked.first_attempt_at,
            parked.last_outcome,
            parked.last_status,
            parked.last_attempt_at,
        ),
        parked.delivery.size,
    )
    p.settle_parked(parked)


def expire_parked(p: Partition, lane: Lane, parked: Parked) -> None:
    """Dead-letter a retry that is older than its subscription allows, without an attempt."""
    dead(
        p,
        lane,
        DeadLetter(
            parked.delivery,
            DeadLetterReason.EXPIRED,
            parked.attempt - 1,
            parked.first_attempt_at,
            parked.last_attempt_at,
            parked.last_outcome,
            parked.last_status,
        ),
    )
    p.settle_parked(parked)


def expire_first(p: Partition, lane: Lane) -> None:
    """Dead-letter the first delivery of a lane's queue, without an attempt."""
    delivery = lane.queue.popleft()
    dead(p, lane, DeadLetter(delivery, DeadLetterReason.EXPIRED, 0, None, None, None, None))
    p.settle_log(lane, delivery.sequence)
    p.buffered_bytes -= delivery.size
    p.want_sweep(lane)
    p.is_dirty = True


def dead(p: Partition, lane: Lane, letter: DeadLetter) -> None:
    """Write a dead letter; a strict lane waits until the tick that carries it (A4).

    A test event has none: whoever asked for it sees its attempt.
    """
    if lane.is_test:
        return
    p.put_out(letter, letter.delivery.size)
    lane.step(Step.DEAD)
    p.release_hold(lane)
    if lane.is_strict:
        p.settling[lane] = p.tick + 1
