"""Tests of the breaker: when it opens, its probes, the ramp, and giving up for good."""

import msgspec
import pytest

from deliverer.policy.breaker import Health
from deliverer.policy.items import DeadLetter, Disable, Limits, Park
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    LOOSE,
    NOW,
    Registry,
    delivery,
    end,
    feed,
    machine,
    outputs,
    read_back,
    report,
    start,
    tick,
)

LIMITS = Limits()
PROBE = 30_000
DAY = 86_400_000


def fail(made: Machine, times: int, now: int = NOW) -> None:
    """Let attempts fail one after the other."""
    for _ in range(times):
        made.finish(start(made, now), report(Outcome.HTTP_5XX, status=500), now)


def dead(count: int = 60, **changes: object) -> tuple[Machine, Registry]:
    """Return a machine with deliveries whose breaker has just opened."""
    registry = Registry(s=msgspec.structs.replace(LOOSE, **changes))
    made = machine(registry, limits=LIMITS)
    feed(made, *[delivery(offset) for offset in range(count)])
    fail(made, 10)
    return made, registry


def reread(made: Machine, now: int, *, until: int = 60) -> None:
    """Run a pass of the sweep."""
    while (target := made.sweep_target(now)) is not None:
        batch = [delivery(offset) for offset in range(target, until)]
        made.read_sweep(batch, start=target, end=until, now=now)
        if not batch:
            return


def test_ten_failures_in_a_row_open_it_and_the_lane_lags() -> None:
    """Nothing starts, nothing lies in memory, no attempt is burnt."""
    made, _ = dead()

    blocked = made.next_start(NOW)
    written = tick(made)

    assert blocked is None
    assert made.view.breakers_by_state() == {"open": 1, "half_open": 0}
    assert made.view.lanes_by_state()["lagging"] == 1
    assert made.buffered_bytes == 0
    assert {park.attempt for park in outputs(written, Park)} == {2}
    assert not outputs(written, DeadLetter)


def test_nine_failures_and_a_success_do_not() -> None:
    """They were not in a row."""
    made = machine(Registry(s=LOOSE), limits=LIMITS)
    feed(made, *[delivery(offset) for offset in range(20)])

    fail(made, 9)
    end(made, start(made))

    assert start(made)


def test_seventy_percent_of_the_last_twenty_open_it() -> None:
    """Fourteen failures with a success in between every third."""
    made = machine(Registry(s=LOOSE), limits=LIMITS)
    feed(made, *[delivery(offset) for offset in range(40)])
    for _ in range(6):
        fail(made, 2)
        end(made, start(made))
    fail(made, 1)
    assert made.view.breakers_by_state()["open"] == 0

    fail(made, 1)

    assert made.view.breakers_by_state()["open"] == 1


def test_one_probe_goes_per_interval_and_the_interval_doubles_to_its_bound() -> None:
    """30 s, 60 s, … 15 min; each probe is the next ordinary attempt."""
    made, _ = dead()
    assert made.next_start(NOW) is None
    now, waits = NOW, []
    for _ in range(7):
        made.wake(now)
        began = now
        while True:
            reread(made, now)
            if (attempt := made.next_start(now)) is not None:
                break
            wake_at = made.next_wake_at
            assert wake_at is not None
            now = wake_at
            made.wake(now)
        waits.append(now - began)
        assert made.next_start(now) is None
        assert made.view.breakers_by_state() == {"open": 0, "half_open": 1}
        made.finish(attempt, report(Outcome.TIMEOUT), now)
        tick(made, now)

    assert waits == [PROBE, 2 * PROBE, 4 * PROBE, 8 * PROBE, 16 * PROBE, 900_000, 900_000]


def test_a_due_retry_waits_for_the_probe_and_may_be_it() -> None:
    """T4: it sleeps on with the same number until the breaker lets one go."""
    made, _ = dead(10)
    park = next(o for o in tick(made).outputs if isinstance(o, Park))
    read_back(made, park)
    made.wake(park.due_at)

    assert made.next_start(park.due_at) is None
    again = next(o for o in tick(made).outputs if isinstance(o, Park))
    assert (again.attempt, again.due_at) == (2, NOW + PROBE)
    read_back(made, again, 1, now=NOW + PROBE)
    made.wake(NOW + PROBE)

    assert start(made, NOW + PROBE).number == 2


def test_a_success_closes_it_and_ramps() -> None:
    """One at a time, then two, four, and all that may be out."""
    made, _ = dead(max_in_flight=8)
    now = NOW + PROBE
    made.next_start(NOW)
    made.wake(now)
    reread(made, now)
    made.finish(start(made, now), report(), now)
    widths = []
    for _ in range(4):
        reread(made, now)
        out = []
        while (attempt := made.next_start(now)) is not None:
            out.append(attempt)
        widths.append(len(out))
        for attempt in out:
            made.finish(attempt, report(), now)

    assert widths == [1, 2, 4, 8]


def test_an_overloaded_gateway_halves_what_may_be_out() -> None:
    """502 and 504: 8, 4, …; successes bring it back."""
    made = machine(Registry(s=msgspec.structs.replace(LOOSE, max_in_flight=8)), limits=LIMITS)
    feed(made, *[delivery(offset) for offset in range(60)])

    def width() -> int:
        out = []
        while (attempt := made.next_start(NOW)) is not None:
            out.append(attempt)
        for attempt in out:
            end(made, attempt)
        return len(out)

    end(made, start(made), Outcome.HTTP_5XX, status=502)
    after_one = width()
    end(made, start(made), Outcome.HTTP_5XX, status=504)
    widths = [after_one, width(), width()]

    assert widths == [4, 4, 8]


def test_a_fault_of_ours_takes_the_probe_back() -> None:
    """It said nothing about the receiver: the next attempt is the probe."""
    made, _ = dead()
    now = NOW + PROBE
    made.next_start(NOW)
    made.wake(now)
    reread(made, now)
    made.finish(start(made, now), report(Outcome.LOCAL_FAULT), now)

    assert made.next_start(now) is None
    made.wake(now + 1_000)
    reread(made, now + 1_000)
    assert start(made, now + 1_000).number == 1


def test_faults_of_ours_wait_longer_each_time_and_charge_nobody() -> None:
    """1 s, 2 s, … 30 s; a hundred of them open no breaker and use no attempt up."""
    made = machine(Registry(s=LOOSE), limits=LIMITS)
    feed(made, delivery(0))
    now, pauses = NOW, []
    for _ in range(7):
        attempt = start(made, now)
        assert attempt.number == 1
        made.finish(attempt, report(Outcome.LOCAL_FAULT), now)
        wake_at = made.next_wake_at
        assert wake_at is not None
        pauses.append(wake_at - now)
        now = wake_at
        made.wake(now)

    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    assert made.view.breakers_by_state()["open"] == 0


def test_a_test_event_goes_through_an_open_breaker_and_closes_it() -> None:
    """Somebody mended the receiver and looks."""
    made, _ = dead(60)
    feed(made, delivery(60, "s/0/test"))
    tick(made)

    attempt = start(made)
    end(made, attempt)

    assert attempt.delivery.sequence == 60
    assert made.view.breakers_by_state()["open"] == 0
    assert made.sweep_target(NOW) is not None


def test_an_edit_lets_a_probe_go_at_once() -> None:
    """Perhaps the URL was wrong."""
    made, registry = dead()
    assert made.next_start(NOW) is None

    made.registry_changed("s", NOW + 1)
    reread(made, NOW + 1)

    assert start(made, NOW + 1)
    assert made.next_start(NOW + 1) is None
    assert registry


def test_what_is_too_old_behind_an_open_breaker_expires_without_an_attempt() -> None:
    """The age goes on."""
    made, _ = dead(12, max_age_ms=20_000)
    made.next_start(NOW)
    now = NOW + PROBE

    made.wake(now)
    reread(made, now, until=12)
    assert made.next_start(now) is None

    letters = outputs(tick(made, now), DeadLetter)
    assert [letter.attempts for letter in letters] == [0, 0]


@pytest.mark.parametrize(
    ("failures", "days", "is_disabled"),
    [(20, 5, True), (19, 5, False), (20, 4.9, False)],
)
def test_no_success_for_days_and_enough_attempts_disable(
    failures: int, days: float, is_disabled: bool
) -> None:
    """The notice asks the shell to write it; nothing starts meanwhile."""
    limits = Limits(breaker_failures=1_000)
    made = machine(Registry(s=msgspec.structs.replace(LOOSE, max_age_ms=9 * DAY)), limits=limits)
    feed(made, *[delivery(offset, accepted_at=NOW + 4 * DAY) for offset in range(30)])
    health = made._state.seats["s"].ailing(limits)
    for sequence in range(failures - 1):
        health.failed(sequence, NOW, Limits(breaker_failures=1_000), jitter=0.0)
        health.history, health.is_open, health.open_until = 0, False, 0
    now = NOW + int(days * DAY)

    notices = made.finish(start(made, now), report(Outcome.TIMEOUT), now)

    assert notices == ([Disable("s", "failing")] if is_disabled else [])
    assert (made.next_start(now) is None) is is_disabled


def test_a_success_ends_the_count_of_days() -> None:
    """Five days count from the first failure after it."""
    health = Health(LIMITS)
    for sequence in range(20):
        health.failed(sequence, 0, LIMITS, jitter=0.0)
    health.succeeded(8, LIMITS)
    for sequence in range(20):
        health.failed(sequence, 5 * DAY, LIMITS, jitter=0.0)

    assert not health.is_failing(5 * DAY, LIMITS)
    assert health.is_failing(10 * DAY, LIMITS)


def test_a_message_the_receiver_aborts_is_an_answer() -> None:
    """It ends that delivery, and says that the receiver is well."""
    made = machine(Registry(s=LOOSE), limits=LIMITS)
    feed(made, *[delivery(offset) for offset in range(20)])

    for _ in range(11):
        end(made, start(made), Outcome.HTTP_4XX, status=400, wants_abort=True)

    assert made.view.breakers_by_state() == {"open": 0, "half_open": 0}


def test_twenty_successes_leave_nothing_to_remember() -> None:
    """A subscription that is well costs no memory."""
    made = machine(Registry(s=LOOSE), limits=LIMITS)
    feed(made, *[delivery(offset) for offset in range(30)])
    fail(made, 3)
    seat = made._state.seats["s"]
    assert seat.health is not None

    for _ in range(20):
        end(made, start(made))

    assert seat.health is None


def test_probes_of_many_are_spread_and_never_early() -> None:
    """A thousand receivers of one host that fell together are not all asked in one moment."""
    opened = []
    for lot in range(1_001):
        health = Health(LIMITS)
        for sequence in range(LIMITS.breaker_failures):
            health.failed(sequence, NOW, LIMITS, jitter=lot / 1_000)
        opened.append(health.open_until - NOW)

    assert (min(opened), max(opened)) == (LIMITS.probe_ms, LIMITS.probe_ms * 6 // 5)
    assert len(set(opened)) > 900


def test_a_failed_probe_is_spread_again() -> None:
    """The doubled wait as well."""
    health = Health(LIMITS)
    for sequence in range(LIMITS.breaker_failures):
        health.failed(sequence, NOW, LIMITS, jitter=0.0)
    health.started(99, NOW, LIMITS)

    health.failed(99, NOW, LIMITS, jitter=1.0)

    assert health.open_until == NOW + LIMITS.probe_ms * 2 * 6 // 5


def test_an_attempt_tells_what_its_end_did_to_the_breaker() -> None:
    """Once when it opens and once when it closes: two lines for people, not one per failure."""
    made = machine(Registry(s=msgspec.structs.replace(LOOSE, max_in_flight=20)))
    feed(made, *(delivery(offset) for offset in range(14)))
    running = [start(made) for _ in range(12)]
    for attempt in running:
        end(made, attempt, Outcome.TIMEOUT)
    later = NOW + LIMITS.probe_ms
    made.wake(later)
    probe = start(made, later)
    end(made, probe)

    told = [attempt.breaker for attempt in [*running, probe]]
    assert told == [None] * 9 + ["opened", None, None, "closed"]
