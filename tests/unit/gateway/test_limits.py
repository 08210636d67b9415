"""The bounds of a gateway."""

from gateway.limits import LIMITS, LimitName, Limits
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


def test_without_a_counter_nothing_is_counted() -> None:
    """Every name is one of a closed list."""
    assert Limits().refuse(LIMITS[0], "").problem.code is Code.QUOTA_EXCEEDED
