"""Tests of the suspicion that a fault is ours."""

from deliverer import fate
from deliverer.fate import SharedFate
from schemas.outcome import Outcome

NOW = 1_000_000_000
MINUTE = 60_000
LOST = Outcome.CONNECT_ERROR


class Fleet:
    """A process with subscriptions, five of each subscriber."""

    def __init__(self) -> None:
        self.told: list[Outcome | None] = []
        self.fate = SharedFate(lambda way, _hit, _of: self.told.append(way))

    def attempt(self, names: range, outcome: Outcome, now: int, *, each: int = 5) -> None:
        """End one attempt of each subscription."""
        for name in names:
            self.fate.note(f"sub_{name}", b"acme_%d" % (name // each), outcome, now)

    def second(self, names: range, outcome: Outcome, now: int) -> int:
        """The same, and once more a second later, so that it is judged; returns the time."""
        self.attempt(names, outcome, now)
        self.attempt(names, outcome, now + 1_000)
        return now + 1_000


def test_most_of_many_failing_alike_is_our_fault() -> None:
    """25 subscriptions of 5 subscribers, all refused: nobody is charged for that."""
    fleet = Fleet()

    fleet.second(range(25), LOST, NOW)

    assert fleet.told == [LOST]
    assert fleet.fate.is_suspected
    assert fleet.fate.charges_nobody(LOST)
    assert not fleet.fate.charges_nobody(Outcome.HTTP_5XX)
    assert not fleet.fate.charges_nobody(Outcome.DELIVERED)


def test_half_of_them_is_not() -> None:
    """As many are well."""
    fleet = Fleet()
    fleet.attempt(range(30, 60), Outcome.DELIVERED, NOW)

    fleet.second(range(30), LOST, NOW)

    assert not fleet.told


def test_few_subscriptions_or_subscribers_are_not() -> None:
    """19 of them, or 25 of four subscribers."""
    few, narrow = Fleet(), Fleet()

    few.second(range(19), LOST, NOW)
    for now in (NOW, NOW + 1_000):
        narrow.attempt(range(25), LOST, now, each=7)

    assert not few.told
    assert not narrow.told


def test_one_subscriber_with_many_dead_endpoints_is_its_own_fate() -> None:
    """Most subscriptions fail, but most subscribers do not."""
    fleet = Fleet()
    fleet.attempt(range(100, 150), Outcome.DELIVERED, NOW)  # ten subscribers are well
    for now in (NOW, NOW + 1_000):
        fleet.attempt(range(80), LOST, now, each=20)  # four are not

    assert not fleet.told


def test_different_ways_to_fail_are_not_the_same_fate() -> None:
    """A third each."""
    fleet = Fleet()
    for now in (NOW, NOW + 1_000):
        fleet.attempt(range(10), LOST, now)
        fleet.attempt(range(10, 20), Outcome.TIMEOUT, now)
        fleet.attempt(range(20, 30), Outcome.TLS_ERROR, now)

    assert not fleet.told


def test_answers_are_no_evidence() -> None:
    """Whoever answers 500 was reached."""
    fleet = Fleet()

    fleet.second(range(50), Outcome.HTTP_5XX, NOW)

    assert not fleet.told


def test_faults_of_ours_and_cut_attempts_say_nothing() -> None:
    """They never reached the wire."""
    fleet = Fleet()
    fleet.attempt(range(100, 200), Outcome.LOCAL_FAULT, NOW)
    fleet.attempt(range(100, 200), Outcome.CANCELLED, NOW)

    fleet.second(range(25), LOST, NOW)

    assert fleet.told == [LOST]


def test_receivers_that_were_dead_before_are_no_evidence() -> None:
    """A quiet night in which only they are tried."""
    fleet = Fleet()
    fleet.attempt(range(1_000, 1_060), Outcome.DELIVERED, NOW)
    fleet.second(range(50), LOST, NOW)

    fleet.second(range(50), LOST, NOW + 10 * MINUTE)

    assert not fleet.told


def test_it_lasts_as_long_as_they_fail_and_ends_when_half_succeed() -> None:
    """Half an hour of outage, then the way is free."""
    fleet = Fleet()
    now = fleet.second(range(30), LOST, NOW)
    for _ in range(60):
        now = fleet.second(range(30), LOST, now + MINUTE // 2)
    during = fleet.fate.is_suspected

    fleet.second(range(16), Outcome.DELIVERED, now + 5_000)

    assert during
    assert fleet.told == [LOST, None]
    assert not fleet.fate.charges_nobody(LOST)


def test_it_ends_after_an_hour_in_any_case() -> None:
    """Or dead receivers would be tried for ever by a process that started among them."""
    fleet = Fleet()
    now = fleet.second(range(30), LOST, NOW)

    while now < NOW + 2 * fate.SUSPECTED_MS_MAX:
        now = fleet.second(range(30), LOST, now + MINUTE // 2)

    assert fleet.told == [LOST, None]


def test_what_is_watched_is_bounded() -> None:
    """However many subscriptions a process has."""
    fleet = Fleet()

    fleet.attempt(range(fate.WATCHED_MAX + 500), LOST, NOW)

    assert len(fleet.fate._now) == len(fleet.fate._failing_since) == fate.WATCHED_MAX


def test_a_clock_set_back_does_not_blind_it() -> None:
    """It begins a new minute."""
    fleet = Fleet()
    fleet.attempt(range(100, 200), Outcome.DELIVERED, NOW)
    fleet.attempt(range(1), LOST, NOW)

    fleet.second(range(25), LOST, NOW - 10 * MINUTE)
    fleet.second(range(25), LOST, NOW - 9 * MINUTE)

    assert fleet.fate._turned_at <= NOW - 9 * MINUTE
