"""Tests of the rate limit: exact over any time, order kept, no attempt burnt."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverer.policy.items import Attempt, Limits
from deliverer.policy.limiter import Bucket, Rate, rate_of
from deliverer.policy.machine import Machine
from tests.unit.deliverer.policy.build import (
    LOOSE,
    NOW,
    STRICT,
    Registry,
    delivery,
    feed,
    machine,
    report,
    start,
    sweep,
    tick,
)

MINUTE = 60_000


def limited(per_second: float, burst: int | None = None, *, is_strict: bool = True) -> Registry:
    """Return a registry with one limited subscription."""
    policy = STRICT if is_strict else LOOSE
    return Registry(s=msgspec.structs.replace(policy, rate_limit=rate_of(per_second, burst)))


def run(made: Machine, until: int) -> list[tuple[int, Attempt]]:
    """Start and deliver whatever may start, waking when the machine asks to; ticks in between."""
    now, started = NOW, []
    while True:
        made.wake(now)
        while (attempt := made.next_start(now)) is not None:
            started.append((now, attempt))
            made.finish(attempt, report(), now)
        tick(made, now)
        wake_at = made.next_wake_at
        if wake_at is None or wake_at > until:
            return started
        assert wake_at > now, "a machine that wakes for nothing"
        now = wake_at


@pytest.mark.parametrize("is_strict", [True, False])
def test_ten_a_second_are_at_most_ten_and_a_half_over_a_minute(is_strict: bool) -> None:
    """CONTRACT §4: the burst of a second included; in order, and none of them burnt."""
    made = machine(limited(10, is_strict=is_strict))
    feed(made, *[delivery(offset) for offset in range(900)])

    started = run(made, NOW + MINUTE - 1)

    assert 600 <= len(started) <= 630
    assert [a.delivery.sequence for _, a in started] == list(range(len(started)))
    assert {a.number for _, a in started} == {1}
    assert not made.begin_tick(NOW + MINUTE).outputs


def test_a_burst_is_followed_by_a_steady_pace() -> None:
    """Two at once, then one every 250 ms, to the millisecond."""
    made = machine(limited(4, 2))
    feed(made, *[delivery(offset) for offset in range(5)])

    times = [at - NOW for at, _ in run(made, NOW + MINUTE)]

    assert times == [0, 0, 250, 500, 750]


def test_a_long_wait_makes_the_lane_lag() -> None:
    """One in ten seconds: the lane does not accept meanwhile, so it holds no memory."""
    made = machine(limited(0.1), limits=Limits())
    feed(made, *[delivery(offset) for offset in range(3)])

    made.finish(start(made), report(), NOW)
    assert made.next_start(NOW) is None

    assert made.view.lanes_by_state()["lagging"] == 1
    tick(made)
    assert made.buffered_bytes == 0
    assert made.sweep_target(NOW + 9_999) is None
    made.wake(NOW + 10_000)
    assert made.sweep_target(NOW + 10_000) == 1


def test_a_short_wait_lets_the_lane_read_on() -> None:
    """Half a second is no reason to read the log twice."""
    made = machine(limited(2, 1), limits=Limits())
    feed(made, *[delivery(offset) for offset in range(3)])

    made.finish(start(made), report(), NOW)
    blocked = made.next_start(NOW)
    feed(made, delivery(3))

    assert blocked is None
    assert made.view.lanes_by_state()["lagging"] == 0
    assert made.next_wake_at == NOW + 500
    made.wake(NOW + 500)
    assert start(made, NOW + 500).delivery.sequence == 1


def test_a_quiet_moment_does_not_fill_the_bucket() -> None:
    """The subscription's last lane is forgotten at once, its rate is not."""
    made = machine(limited(1, 1))
    feed(made, delivery(0))
    made.finish(start(made), report(), NOW)
    tick(made)

    feed(made, delivery(1))

    assert made.next_start(NOW + 999) is None
    made.wake(NOW + 1_000)
    assert start(made, NOW + 1_000).delivery.sequence == 1


def test_a_full_bucket_is_forgotten() -> None:
    """Nothing of a quiet subscription stays in memory."""
    made = machine(limited(1, 1))
    feed(made, delivery(0))
    made.finish(start(made), report(), NOW)
    tick(made)

    made.wake(NOW + 1_000)

    assert made.next_wake_at is None
    assert not made._state.seats


def test_a_raised_limit_holds_at_once() -> None:
    """Whoever waits for the old one starts again by the new one."""
    registry = limited(0.01)
    made = machine(registry)
    feed(made, delivery(0), delivery(1))
    made.finish(start(made), report(), NOW)
    assert made.next_start(NOW) is None

    registry |= limited(1000)
    made.registry_changed("s", NOW + 10)
    sweep(made, delivery(1), now=NOW + 10)
    made.next_start(NOW + 10)
    made.wake(NOW + 11)

    assert start(made, NOW + 11).delivery.sequence == 1


def test_a_test_event_waits_for_the_rate_while_paused() -> None:
    """Its receiver asked for no more than that."""
    paused = msgspec.structs.replace(limited(2, 1)["s"], status="paused")
    made = machine(Registry(s=paused))
    feed(made, delivery(0, "s/0/test"), delivery(1, "s/0/test"))
    start(made)

    blocked = made.next_start(NOW)
    made.wake(NOW + 500)
    sweep(made, delivery(1, "s/0/test"), now=NOW + 500)

    assert blocked is None
    assert start(made, NOW + 500).delivery.sequence == 1


@given(
    st.floats(0.01, 10_000),
    st.integers(1, 50),
    st.lists(st.integers(0, 3_000), min_size=1, max_size=200),
)
def test_no_time_sees_more_than_its_share(per_second: float, burst: int, pauses: list[int]) -> None:
    """Any window of t holds at most burst + rate * t, however starts are spread."""
    bucket = Bucket(Rate(1000 / per_second, burst))
    now, times = NOW, []
    for pause in pauses:
        now += pause
        if bucket.ready_at(now) <= now:
            bucket.take(now)
            times.append(now)

    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            allowed = burst + (times[last] - begin) * per_second / 1000
            assert last - first + 1 <= allowed + 1e-6


def test_a_clock_set_back_does_not_stop_a_subscription() -> None:
    """It waits for one full bucket at most."""
    bucket = Bucket(Rate(100.0, 5))
    bucket.take(NOW)

    assert bucket.ready_at(NOW - 3_600_000) <= NOW - 3_600_000 + 500
