"""Say when a tick is due and whether it tells the group how far it is, pure.

>>> pause_s(has_news=True, outputs=OUTPUTS_MAX, share=0.0, is_awaited=False, is_told=True)
0.005
>>> tells_group(has_news=True, moved=TOLD_RECORDS_MAX, silence_s=0.3)
True
"""

SPACING_S = 0.4
"""A tick costs milliseconds of CPU, here and three times as many at the brokers, whatever it holds.
Successes wait for none, but those since the last one are repeated after a crash."""
AWAITED_SPACING_S = 0.005
OUTPUTS_MAX = 256
"""So many records end the wait early: what a crash repeats is bounded in number, not only in time.
"""
OUTPUT_SHARE_MAX = 1 / 8
"""Large events that failed end the wait, too: memory that waits for a tick is no room for others.
"""
TOLD_SPACING_S = 1.0
TOLD_RECORDS_MAX = 500
"""The group's offset decides nothing here, `$window` does; it is what tools show and autoscalers
scale by. It is two of five requests of a transaction, and one more partition that gets a marker,
so it goes with one tick a second, or with one that is so many records ahead of it."""
IDLE_S = 3600.0


def pause_s(
    *, has_news: bool, outputs: int, share: float, is_awaited: bool, is_told: bool
) -> float:
    """Return how long after the last tick the next one begins.

    `share` is the part of the partition's byte budget that the outputs hold until then.
    """
    if is_awaited or outputs >= OUTPUTS_MAX or share >= OUTPUT_SHARE_MAX:
        return AWAITED_SPACING_S
    if has_news:
        return SPACING_S
    return IDLE_S if is_told else TOLD_SPACING_S


def tells_group(*, has_news: bool, moved: int | None, silence_s: float) -> bool:
    """Say whether a tick tells the group's offset, too.

    `moved` is how far that is behind what the tick shows, None when nobody knows; `silence_s` is
    how long ago it was told.
    """
    if not has_news or moved is None:
        return True
    return moved >= TOLD_RECORDS_MAX or silence_s >= TOLD_SPACING_S
