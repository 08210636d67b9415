"""Tests of the retry policy: due times and tiers."""

import pytest

from deliverer.policy.retry import back_off_ms, choose_tier, due_at


@pytest.mark.parametrize(("number", "expected"), [(1, 1_005), (2, 1_300), (3, None)])
def test_the_schedule_gives_one_delay_per_failure(number: int, expected: int | None) -> None:
    """After the last delay there is no further attempt."""
    assert due_at((5, 300), number, now=1_000, jitter=0.0) == expected


def test_jitter_only_postpones_and_by_a_fifth_at_most() -> None:
    """The schedule is a promise: never earlier."""
    assert due_at((1_000,), 1, now=0, jitter=0.0) == 1_000
    assert due_at((1_000,), 1, now=0, jitter=1.0) == 1_200


@pytest.mark.parametrize(
    ("status", "asked", "expected"),
    [
        (429, 7_000, 7_000),
        (503, 7_000, 7_000),
        (500, 7_000, 0),
        (429, None, 0),
        (None, 5, 0),
        (503, 90_000_000, 86_400_000),
        (503, -5, 0),
    ],
)
def test_only_429_and_503_back_off_for_a_day_at_most(
    status: int | None, asked: int | None, expected: int
) -> None:
    """A receiver may ask for a pause, but not for ever."""
    assert back_off_ms(status, asked) == expected


@pytest.mark.parametrize(
    ("rest", "tier"), [(0, 0), (4_999, 0), (5_000, 0), (29_999, 0), (30_000, 1), (10**9, 2)]
)
def test_the_longest_tier_that_does_not_overshoot_is_chosen(rest: int, tier: int) -> None:
    """A tier longer than the rest would make the attempt late."""
    assert choose_tier(rest, (5_000, 30_000, 300_000)) == tier
