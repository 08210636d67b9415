"""Tests of the command line around sending again."""

import pytest
from click.testing import CliRunner

from hooklane.cli import commands


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["dead-letters", "list", "--reason", "bored"], 2),
        (["dead-letters", "list", "--limit", "0"], 2),
        (["dead-letters", "redrive"], 2),
        (["replay", "--since", "1h"], 2),
        (["replay", "--subscription", "sub_1"], 2),
        (["dead-letters", "list"], 5),
        (["dead-letters", "show", "0/1"], 5),
        (["replay", "--subscription", "sub_1", "--since", "1h", "--dry-run"], 5),
    ],
)
def test_usage_and_a_missing_kafka_have_their_exit_codes(arguments: list[str], code: int) -> None:
    """One line on stderr, no traceback."""
    env = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}

    ended = CliRunner(env=env).invoke(commands, arguments)

    assert ended.exit_code == code, ended.output
    assert "Traceback" not in ended.output
