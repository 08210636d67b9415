"""Let go of heads whose record in a delay topic was taken by retention (takeover 4, L3).

A held lane waits for that record, and nothing else ends the hold. After an outage longer than
retention it may be gone for ever; which heads it concerns is known once the delay topics were read
to where they ended at the takeover. That is within the delay of the longest at most, and until then
the lane stays held: nothing overtakes a head that may still come. Every takeover doubts every hold:
one that crashed may have raised the marks, so that its successor sees nothing missing.
"""

from deliverer.policy.items import Parked
from deliverer.policy.lanes import Lane, Step
from deliverer.policy.partition import Partition


def suspect(p: Partition, ends: tuple[int, ...]) -> None:
    """Doubt every head that is held, until its record or the end of the delay topics is read."""
    p.unmet = {lane.key: lane for lane in p.lanes.values() if lane.held is not None}
    p.unmet_until = ends


def meet(p: Partition, parked: Parked) -> None:
    """Trust the hold of a lane whose record was read."""
    lane = p.unmet.get(parked.delivery.lane)
    if lane is not None and lane.held == (parked.delivery.sequence, parked.attempt):
        del p.unmet[lane.key]


def release(p: Partition) -> None:
    """Release what was not met once everything was read; each is counted, as it is lost."""
    windows = zip(p.tiers.windows, p.unmet_until, strict=True)
    if not p.is_confirmed or any(window.position < end for window, end in windows):
        return
    unmet, p.unmet = p.unmet, {}
    for lane in unmet.values():
        if p.lanes.get(lane.key) is lane:
            _release(p, lane)


def _release(p: Partition, lane: Lane) -> None:
    p.counts.lost_heads += 1
    lane.step(Step.LOST)
    p.release_hold(lane)
    if lane.can_start:
        p.roster.offer(p.seats[lane.subscription], lane)
