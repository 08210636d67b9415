"""The limit on changes of the configuration."""

import pytest

from gateway.auth import ROOT, Principal
from gateway.limits import LimitName, Limits
from gateway.problems import Code
from gateway.quotas import Quota, Quotas
from gateway.write_limit import WriteLimit

KEY = Principal(key_id="key_1")
BOUND = Principal(key_id="key_2", subscriber="acme")


class World:
    """A limit of four changes a key and two a subscriber, and what it counted."""

    def __init__(self) -> None:
        self.hits: list[LimitName] = []
        limits = Limits(
            key_writes=Quota(2.0, 4), subscriber_writes=Quota(0.5, 2), on_hit=self.hits.append
        )
        self.limit = WriteLimit(Quotas(64), limits)

    def passed(self, principal: Principal, subscriber: str | None, now_s: float = 0.0) -> int:
        """Change until it is refused; gives how often that was allowed."""
        count, demands = 0, self.limit.demands(principal, subscriber)
        while self.limit.spend(demands, now_s) is None:
            count += 1
        return count


def test_a_subscriber_is_changed_so_often_and_not_more() -> None:
    """Whoever does it: two keys that work on one subscriber share its bucket."""
    world = World()

    assert world.passed(KEY, "acme") == 2
    assert world.passed(ROOT, "acme") == 0
    assert world.passed(KEY, "acme", 4.0) == 2
    assert world.hits == ["config_writes"] * 3


def test_a_key_changes_so_much_and_not_more() -> None:
    """Over as many subscribers as it likes; another key is not touched by it."""
    world = World()

    counts = [world.passed(KEY, f"s{number}") for number in range(4)]

    assert counts == [2, 2, 0, 0]
    assert world.passed(ROOT, "s3") == 2


def test_a_refusal_says_when_to_come_back() -> None:
    """In whole seconds, never zero; what is left is told in the RateLimit fields."""
    world = World()
    world.passed(KEY, "acme")
    demands = world.limit.demands(KEY, "acme")

    refused = world.limit.spend(demands, 0.0)

    assert refused is not None
    assert (refused.code, refused.retry_after_s) == (Code.QUOTA_EXCEEDED, 2)
    assert world.limit.headers(demands, 0.0) == {
        "RateLimit-Policy": '"key-writes";q=4;w=2, "subscriber-writes";q=2;w=4',
        "RateLimit": '"key-writes";r=2;t=1, "subscriber-writes";r=0;t=4',
    }


def test_a_bound_key_draws_on_its_subscriber_where_the_path_names_none() -> None:
    """Making keys for a subscriber is a change of it."""
    world = World()

    assert world.passed(BOUND, None) == 2
    assert world.passed(KEY, "acme") == 0
    assert world.passed(KEY, None) == 4


@pytest.mark.parametrize("name", ["x" * 8_000, "$keys", "a b", ""])
def test_a_name_that_nobody_can_have_gets_no_bucket(name: str) -> None:
    """Else long names would fill the memory; the key pays all the same."""
    demands = World().limit.demands(KEY, name)

    assert [one.policy for one in demands] == ["key-writes"]
