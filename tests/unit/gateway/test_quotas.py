"""Token buckets."""

import pytest

from gateway.quotas import Demand, Quota, Quotas, quota_of

QUOTA = Quota(per_second=2.0, burst=4)
KEY = Demand("key", "key_1", QUOTA)


def taken(quotas: Quotas, demand: Demand, now_s: float) -> int:
    """Take until there is nothing left."""
    count = 0
    while quotas.take([demand], now_s) == 0:
        count += 1
    return count


@pytest.mark.parametrize(
    ("rate", "burst", "expected"), [(5.0, None, 5), (0.1, None, 1), (2.5, None, 3), (5.0, 1, 1)]
)
def test_a_burst_is_a_seconds_worth_unless_said(
    rate: float, burst: int | None, expected: int
) -> None:
    """At least one, else nothing would ever pass."""
    assert quota_of(rate, burst) == Quota(rate, expected)


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    """What nobody takes is not saved beyond the burst."""
    quotas = Quotas(64)

    counts = [taken(quotas, KEY, now_s) for now_s in (100.0, 100.4, 100.5, 101.5, 1000.0)]

    assert counts == [4, 0, 1, 2, 4]


def test_a_refusal_says_when_there_is_a_token_again() -> None:
    """Exactly then there is one."""
    quotas = Quotas(64)
    taken(quotas, KEY, 0.0)

    wait_s = quotas.take([KEY], 0.0)

    assert wait_s == pytest.approx(0.5)
    assert quotas.take([KEY], wait_s) == 0


def test_all_buckets_pay_or_none() -> None:
    """An event that one quota refuses costs the other nothing."""
    quotas = Quotas(64)
    small = Demand("subscriber", "acme", Quota(1.0, 1))

    assert quotas.take([KEY, small], 0.0) == 0
    assert quotas.take([KEY, small], 0.0) == 1.0

    assert taken(quotas, KEY, 0.0) == 3


def test_owners_and_policies_do_not_share() -> None:
    """A subscriber may be named like a key."""
    quotas = Quotas(64)
    taken(quotas, KEY, 0.0)

    assert taken(quotas, Demand("key", "key_2", QUOTA), 0.0) == 4
    assert taken(quotas, Demand("subscriber", "key_1", QUOTA), 0.0) == 4


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    """Monotonic clocks do not, but a bug must not open the door."""
    quotas = Quotas(64)
    taken(quotas, KEY, 10.0)

    assert taken(quotas, KEY, 0.0) == 0


def test_a_smaller_quota_holds_at_once() -> None:
    """What was saved under the old one is cut off."""
    quotas = Quotas(64)
    quotas.take([KEY], 0.0)

    assert taken(quotas, Demand("key", "key_1", Quota(2.0, 1)), 0.0) == 1


def test_the_least_recently_used_bucket_is_forgotten() -> None:
    """The number of buckets is bounded whatever names come."""
    forgotten: list[bool] = []
    quotas = Quotas(2, on_full=lambda: forgotten.append(True))
    one, two, three = (Demand("key", name, QUOTA) for name in "123")
    for demand in (one, two):
        taken(quotas, demand, 0.0)
    quotas.take([one], 0.0)

    assert taken(quotas, three, 0.0) == 4
    assert forgotten == [True]
    assert taken(quotas, one, 0.0) == 0
    assert taken(quotas, two, 0.0) == 4


def test_the_state_is_told_as_the_rate_limit_fields_say() -> None:
    """A quota of 4 in 2 seconds, of which 3 are left; full again after half a second."""
    quotas = Quotas(64)
    quotas.take([KEY], 0.0)

    assert quotas.headers([KEY], 0.0) == {
        "RateLimit-Policy": '"key";q=4;w=2',
        "RateLimit": '"key";r=3;t=1',
    }
    assert quotas.headers([], 0.0) == {}
