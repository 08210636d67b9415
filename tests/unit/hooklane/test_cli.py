"""The command line's own part: names, exit codes, delegation."""

import subprocess
import sys

import click
import pytest

from hooklane import cli
from hooklane.ending import ends
from hooklane.exits import NETWORK, CommandFailed


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m hooklane …` with an empty environment."""
    command = [sys.executable, "-m", "hooklane", *arguments]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)


def test_every_command_of_the_readme_is_there() -> None:
    """`hooklane --help` lists them; the receiver is for compose and hidden."""
    done = run("--help")

    assert done.returncode == 0
    for name in (
        "dev", "gateway", "fanout", "deliverer", "topics",
        "events", "subscriptions", "keys", "check-producer", "verify", "listen",
    ):  # fmt: skip
        assert f"\n  {name}" in done.stdout
    assert "receiver" not in done.stdout
    assert done.stdout.count("...") == 1, "a cut line of help; the usage line has dots of its own"


def test_version_is_the_packages() -> None:
    """One line, for bug reports."""
    assert run("--version").stdout.startswith("hooklane 0.")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nonsense"], 2), (["dev", "--port", "70000"], 2), (["topics", "plan"], 4)],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    """Usage is 2, missing settings 4, each with text on stderr only."""
    done = run(*arguments)

    assert done.returncode == code
    assert done.stderr
    assert not done.stdout
    assert "Traceback" not in done.stderr


def test_a_failure_becomes_code_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    """CommandFailed never shows a traceback."""

    def fails() -> int:
        raise CommandFailed(NETWORK, "no Kafka at a:1")

    with pytest.raises(SystemExit) as caught:
        ends(fails)()

    assert caught.value.code == NETWORK
    assert capsys.readouterr().err == "hooklane: no Kafka at a:1\n"


def test_ctrl_c_is_130() -> None:
    """As shells expect."""

    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        ends(interrupted)()

    assert caught.value.code == 130


@pytest.mark.parametrize("name", ["gateway", "fanout", "deliverer"])
def test_services_get_their_arguments_untouched(name: str) -> None:
    """`hooklane gateway …` is `python -m gateway …`: same text, same code."""
    ours = run(name, "--check-config")
    direct = subprocess.run(
        [sys.executable, "-m", name, "--check-config"],
        env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ours.returncode, ours.stderr) == (direct.returncode, direct.stderr)
    assert ours.returncode == 4


def test_help_of_commands_explains_every_option() -> None:
    """No option without a word."""
    dev = cli.commands.commands["dev"]

    assert all(option.help for option in dev.params if isinstance(option, click.Option))
