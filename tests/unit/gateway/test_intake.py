"""The bounds on what is let in."""

import pytest

from gateway.intake import Intake, Place


def test_requests_above_the_limit_are_refused_until_one_leaves() -> None:
    """The place of a finished request is free at once."""
    intake = Intake(requests_max=2, bytes_max=100)

    assert intake.enter(1)
    assert intake.enter(1)
    assert not intake.enter(1)
    intake.leave(1)
    assert intake.enter(1)


def test_bytes_above_the_limit_are_refused_until_some_leave() -> None:
    """A small request may still pass where a large one does not."""
    intake = Intake(requests_max=10, bytes_max=100)

    assert intake.enter(80)
    assert not intake.enter(21)
    assert intake.enter(20)
    intake.leave(80)
    assert intake.enter(21)


def test_one_request_always_fits() -> None:
    """A limit below one body would refuse it for ever."""
    intake = Intake(requests_max=10, bytes_max=10)

    assert intake.enter(11)
    assert not intake.enter(1)


def test_a_refused_request_holds_nothing() -> None:
    """Otherwise refusals would fill the house."""
    intake = Intake(requests_max=1, bytes_max=10)
    intake.enter(5)

    intake.enter(5)

    assert (intake.requests, intake.bytes_held) == (1, 5)


def test_a_place_is_given_back_whatever_happens() -> None:
    """A request that fails must not shrink the house."""
    intake = Intake(requests_max=1, bytes_max=10)
    assert intake.enter(5)

    with pytest.raises(ValueError, match="bug"), Place(intake, 5):
        raise ValueError("bug")

    assert (intake.requests, intake.bytes_held) == (0, 0)


def test_each_refusal_names_the_bound_that_was_met() -> None:
    """It is counted under that name."""
    met: list[str] = []
    intake = Intake(requests_max=2, bytes_max=100, on_full=met.append)
    intake.enter(60)
    intake.enter(60)
    intake.enter(1)

    intake.enter(1)

    assert met == ["request_bytes", "requests"]
