"""When a tick is due, and when it tells the group."""

import pytest

from deliverer.policy.pacing import (
    AWAITED_SPACING_S,
    IDLE_S,
    OUTPUT_SHARE_MAX,
    OUTPUTS_MAX,
    SPACING_S,
    TOLD_RECORDS_MAX,
    TOLD_SPACING_S,
    pause_s,
    tells_group,
)


@pytest.mark.parametrize(
    ("has_news", "outputs", "share", "is_awaited", "is_told", "expected"),
    [
        (False, 0, 0.0, False, True, IDLE_S),
        (False, 0, 0.0, False, False, TOLD_SPACING_S),
        (True, 0, 0.0, False, False, SPACING_S),
        (True, OUTPUTS_MAX - 1, 0.12, False, True, SPACING_S),
        (True, OUTPUTS_MAX, 0.0, False, True, AWAITED_SPACING_S),
        (True, 1, OUTPUT_SHARE_MAX, False, True, AWAITED_SPACING_S),
        (True, 1, 0.0, True, True, AWAITED_SPACING_S),
        (False, 0, 0.0, True, True, AWAITED_SPACING_S),
    ],
)
def test_a_tick_comes_in_time_or_when_much_waits(
    has_news: bool, outputs: int, share: float, is_awaited: bool, is_told: bool, expected: float
) -> None:
    """One tick an hour in silence; what a crash repeats is bounded in number, whatever the rate."""
    pause = pause_s(
        has_news=has_news, outputs=outputs, share=share, is_awaited=is_awaited, is_told=is_told
    )

    assert pause == expected


@pytest.mark.parametrize(
    ("has_news", "moved", "silence_s", "expected"),
    [
        (True, 1, 0.9, False),
        (True, 0, TOLD_SPACING_S, True),
        (True, TOLD_RECORDS_MAX - 1, 0.1, False),
        (True, TOLD_RECORDS_MAX, 0.1, True),
        (True, None, 0.1, True),
        (False, 0, 0.1, True),
        (False, 1, 0.1, True),
    ],
)
def test_the_group_is_told_after_a_second_or_so_many_records(
    has_news: bool, moved: int | None, silence_s: float, expected: bool
) -> None:
    """And by each tick that has nothing else to say, or when nobody knows what it shows."""
    assert tells_group(has_news=has_news, moved=moved, silence_s=silence_s) is expected
