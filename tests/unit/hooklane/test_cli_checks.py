"""`verify` and `check-producer` as a person types them."""

import click
import pytest
from click.testing import CliRunner

from hooklane import cli_checks
from hooklane.cli import commands
from tests.unit.hooklane.test_verification import BODY, SECRET, STAMP
from tests.unit.hooklane.test_verify_command import LINES


def test_a_request_is_pasted_into_verify() -> None:
    """From standard input, with the secret in the environment."""
    request = "\n".join(LINES).encode() + b"\n\n" + BODY

    done = CliRunner(env={"WEBHOOK_SECRET": SECRET}).invoke(
        commands, ["verify", "--now", str(STAMP)], input=request
    )

    assert done.exit_code == 0
    assert done.stdout.endswith("verified\n")


def test_headers_and_body_apart() -> None:
    """-H several times, the body from standard input."""
    arguments = [part for line in LINES for part in ("-H", line)]

    done = CliRunner(env={"WEBHOOK_SECRET": SECRET}).invoke(
        commands, ["verify", *arguments, "--body", "-", "--now", str(STAMP)], input=BODY + b" "
    )

    assert done.exit_code == 1
    assert "blanks were added" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--last", "0"], 2), (["--offset", "5"], 2), (["--partition", "-1"], 2)],
)
def test_check_producer_refuses_what_makes_no_sense(arguments: list[str], code: int) -> None:
    """Before a broker is asked."""
    variables = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}

    done = CliRunner(env=variables).invoke(commands, ["check-producer", *arguments])

    assert done.exit_code == code


def test_no_broker_is_5() -> None:
    """With the address in the line."""
    variables = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}

    done = CliRunner(env=variables).invoke(commands, ["check-producer"])

    assert done.exit_code == 5
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("command", [cli_checks.verify, cli_checks.check_producer])
def test_every_option_explains_itself(command: click.Command) -> None:
    """No option without a word."""
    assert all(one.help for one in command.params if isinstance(one, click.Option))
