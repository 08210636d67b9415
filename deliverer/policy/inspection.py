"""What whoever looks for a fault wants to know of one partition: its lanes and its breakers, pure.

Without a question about one subscription it lists only what is not well, the oldest first.
"""

from collections.abc import Iterable
from heapq import nsmallest

from deliverer.policy.lanes import Lane
from deliverer.policy.partition import Partition
from deliverer.policy.roster import Seat
from schemas.rfc3339 import format_ms

Row = dict[str, object]


def lanes_of(state: Partition, subscription: str | None, items_max: int) -> list[Row]:
    """List a subscription's lanes, else all that are not simply live."""
    if subscription is None:
        found: Iterable[Lane] = (lane for lane in state.lanes.values() if lane.since)
    else:
        seat = state.seats.get(subscription)
        found = () if seat is None else seat.lanes.values()
    chosen = nsmallest(items_max, found, key=lambda lane: lane.since or state.window.position)
    return [_lane(lane) for lane in chosen]


def seats_of(state: Partition, subscription: str | None, items_max: int) -> list[Row]:
    """List a subscription's seat, else all whose breaker is open, longest failing first."""
    if subscription is None:
        found: Iterable[Seat] = (
            seat for seat in state.seats.values() if seat.health is not None and seat.health.is_open
        )
    else:
        one = state.seats.get(subscription)
        found = () if one is None else (one,)
    chosen = nsmallest(items_max, found, key=_failing_since)
    return [_seat(seat) for seat in chosen]


def _failing_since(seat: Seat) -> int:
    return 0 if seat.health is None else seat.health.failing_since


def _lane(lane: Lane) -> Row:
    held = lane.held
    return {
        "lane": lane.key,
        "subscription": lane.subscription,
        "phase": lane.phase.value,
        "is_strict": lane.is_strict,
        "queued": len(lane.queue),
        "in_flight": len(lane.inflight),
        "due": len(lane.due or ()),
        "held": None if held is None else {"sequence": held[0], "attempt": held[1]},
        "cursor": lane.cur,
        "since": _moment(lane.since),
    }


def _seat(seat: Seat) -> Row:
    row: Row = {
        "subscription": seat.subscription,
        "status": seat.policy.status,
        "lanes": len(seat.lanes),
        "in_flight": seat.in_flight,
        "max_in_flight": seat.policy.max_in_flight,
        "is_suspect": seat.is_suspect,
        "not_before": _moment(seat.not_before),
    }
    health = seat.health
    if health is not None:
        row["breaker"] = {
            "is_open": health.is_open,
            "probe": health.probe,
            "open_until": _moment(health.open_until),
            "failures_in_a_row": health.streak,
            "failing_since": _moment(health.failing_since),
            "may_be_out": health.may_be_out,
        }
    return row


def _moment(at_ms: int) -> str | None:
    return format_ms(at_ms) if at_ms > 0 else None
