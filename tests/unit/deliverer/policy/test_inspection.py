"""Tests of what `/debug` shows of a partition."""

from deliverer.policy.items import Limits
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    STRICT,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    start,
)

FIFTY = 50


def test_what_is_well_is_not_listed() -> None:
    """An overview names only what needs a look."""
    made = machine()
    feed(made, delivery(0))
    end(made, start(made))

    assert made.view.lanes(None, FIFTY) == []
    assert made.view.seats(None, FIFTY) == []


def test_a_held_lane_shows_its_head() -> None:
    """With the attempt it waits for, and what waits behind it."""
    made = machine(Registry(s=STRICT, t=STRICT))
    feed(made, delivery(0), delivery(1), delivery(2, "t/0"))
    failing(made)

    (row,) = made.view.lanes(None, FIFTY)

    assert (row["lane"], row["subscription"], row["phase"]) == ("s/0", "s", "held")
    assert row["held"] == {"sequence": 0, "attempt": 2}
    assert row["since"] is not None
    assert made.view.lanes("t", FIFTY)[0]["since"] is None
    assert made.view.lanes("nobody", FIFTY) == []
    assert made.view.lanes(None, 0) == []


def test_an_open_breaker_shows_since_when_and_until_when() -> None:
    """And any subscription's, when it is asked for."""
    made = machine(Registry(s=STRICT, t=STRICT), limits=Limits(breaker_failures=1))
    feed(made, delivery(0), delivery(1, "t/0"))
    end(made, start(made), Outcome.TIMEOUT)

    (row,) = made.view.seats(None, FIFTY)

    breaker = row["breaker"]
    assert isinstance(breaker, dict)
    assert (row["subscription"], breaker["is_open"]) == ("s", True)
    assert breaker["failures_in_a_row"] == 1
    assert breaker["open_until"] > breaker["failing_since"]
    (other,) = made.view.seats("t", FIFTY)
    assert (other["status"], "breaker" in other) == ("active", False)
    assert made.view.seats("nobody", FIFTY) == []
