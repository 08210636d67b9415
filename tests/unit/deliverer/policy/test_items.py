"""Tests of the vocabulary: the few values that decide something."""

from deliverer.policy.items import SubscriptionPolicy


def test_each_epoch_keeps_its_mode_and_an_unknown_one_is_strict() -> None:
    """A change of `ordering` concerns later lanes only; the stricter promise is the safe guess."""
    policy = SubscriptionPolicy(
        modes={0: "strict", 1: "none"}, schedule_ms=(), max_age_ms=1, lane_epoch=1
    )

    assert [policy.mode_of(epoch) for epoch in (0, 1, 7)] == ["strict", "none", "strict"]
