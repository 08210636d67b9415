"""Tests of the count of deliveries behind a request."""

import pytest

from gateway.hops import parse_hops
from gateway.problems import Code, Problem, problem_headers


@pytest.mark.parametrize(("value", "hops"), [(None, 0), ("1", 1)])
def test_one_delivery_may_lie_behind_an_event(value: str | None, hops: int) -> None:
    """One installation may feed another."""
    assert parse_hops(value) == hops


@pytest.mark.parametrize("value", ["2", "3", "999999999"])
def test_an_event_that_goes_round_is_refused_for_good(value: str) -> None:
    """The answer tells the deliverer to make no further attempt."""
    problem = parse_hops(value)

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    assert [one.pointer for one in problem.errors] == ["/webhook-hops"]
    assert problem_headers(problem) == {"webhook-delivery": "abort-message"}


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "\u0661", "1" * 10, "one"])
def test_what_is_no_number_is_malformed(value: str) -> None:
    """A count that cannot be read must not open the way round."""
    problem = parse_hops(value)

    assert isinstance(problem, Problem)
    assert problem.code is Code.INVALID_REQUEST
