"""Tests of what is refused before Kafka is asked."""

from collections.abc import Callable

import pytest

from hooklane.dead_letters_command import Choice, run_list, run_redrive, run_replay, run_show
from hooklane.exits import USAGE, CommandFailed

VARIABLES = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (lambda: run_redrive(VARIABLES, Choice(), "table", is_dry=False), "say which ones"),
        (lambda: run_redrive(VARIABLES, Choice(places=["3"]), "table", is_dry=True), "no place"),
        (lambda: run_show(VARIABLES, "a/b"), "no place"),
        (lambda: run_list(VARIABLES, Choice(since="soon"), "table"), "no time"),
        (lambda: run_replay(VARIABLES, Choice(until="soon"), "table", is_dry=True), "no time"),
    ],
)
def test_wrong_wishes_are_usage_errors(run: Callable[[], int], says: str) -> None:
    """Above all, nobody sends everything again by leaving something out."""
    with pytest.raises(CommandFailed, match=says) as caught:
        run()

    assert caught.value.code == USAGE


@pytest.mark.parametrize(
    ("choice", "is_wanted"),
    [
        (Choice(), True),
        (Choice(subscriber="acme", subscription="sub_1", reason="gone"), True),
        (Choice(subscriber="acm"), False),
        (Choice(subscription="sub_2"), False),
        (Choice(reason="expired"), False),
    ],
)
def test_each_wish_narrows_the_choice(choice: Choice, is_wanted: bool) -> None:
    """All of them must fit."""
    assert choice.wants(b"acme", "sub_1", "gone") is is_wanted
