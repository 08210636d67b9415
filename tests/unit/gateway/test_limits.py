"""The bounds of a gateway."""

import pytest

from gateway.limits import LIMITS, LimitName, Limits, exhausted
from gateway.problems import Code


def test_a_bound_that_is_met_is_counted_and_refused() -> None:
    """Whoever runs it sees which one before clients complain."""
    hits: list[LimitName] = []

    refusal = Limits(on_hit=hits.append).refuse("keys", "there are at most 3 keys")

    assert (refusal.problem.code, refusal.problem.detail) == (
        Code.QUOTA_EXCEEDED,
        "there are at most 3 keys",
    )
    assert hits == ["keys"]
    assert refusal.problem.retry_after_s is None


@pytest.mark.parametrize(("wait_s", "expected"), [(0.001, 1), (1.0, 1), (1.2, 2), (90.0, 90)])
def test_a_quota_that_fills_again_says_when(wait_s: float, expected: int) -> None:
    """In whole seconds that are enough."""
    problem = exhausted("too many", wait_s)

    assert (problem.code, problem.retry_after_s) == (Code.QUOTA_EXCEEDED, expected)


def test_without_a_counter_nothing_is_counted() -> None:
    """Every name is one of a closed list."""
    assert Limits().refuse(LIMITS[0], "").problem.code is Code.QUOTA_EXCEEDED
