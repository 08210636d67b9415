"""The API commands as a person types them."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hooklane import cli_api
from hooklane.cli import commands
from tests.fakes.management_api import ManagementApi

ACCEPTED = {"id": "evt_1", "webhook_id": "msg_1", "subscriber": "a", "partition": 1, "offset": 7}


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """Serve for one test."""
    with ManagementApi() as serving:
        serving.scripted["POST", "/v1/events"] = (202, ACCEPTED)
        yield serving


def test_every_flag_of_an_event_reaches_the_gateway(api: ManagementApi) -> None:
    """Under the name of the API's field."""
    done = CliRunner(env=api.variables).invoke(
        commands,
        ["events", "send", "--subscriber", "a", "--type", "t", "--id", "1", "--source", "/s",
         "--time", "2026-01-01T00:00:00Z", "--subject", "x", "--ordering-key", "k", "--data", "1"],
    )  # fmt: skip

    assert done.exit_code == 0
    assert api.asked[0].document == {
        "subscriber": "a", "type": "t", "id": "1", "source": "/s",
        "time": "2026-01-01T00:00:00Z", "subject": "x", "ordering_key": "k", "data": 1,
    }  # fmt: skip


def test_events_come_from_standard_input(api: ManagementApi) -> None:
    """`… | hooklane events send -f -`."""
    done = CliRunner(env=api.variables).invoke(
        commands, ["events", "send", "-f", "-", "-o", "json"], input='{"type":"t"}'
    )

    assert done.exit_code == 0
    assert json.loads(done.stdout) == [ACCEPTED]
    assert api.asked[0].body == b'{"type":"t"}'


def test_keys_are_made_listed_and_revoked(api: ManagementApi) -> None:
    """A whole life."""
    runner = CliRunner(env=api.variables)

    made = runner.invoke(
        commands, ["keys", "create", "--name", "n", "--scope", "admin", "--scope", "replay"]
    )
    listed = runner.invoke(commands, ["keys", "list"])
    revoked = runner.invoke(commands, ["keys", "revoke", "key_1"])

    assert (made.exit_code, listed.exit_code, revoked.exit_code) == (0, 0, 0)
    assert "admin,replay" in listed.stdout
    assert api.keys == {}


def test_subscriptions_flags(api: ManagementApi, tmp_path: Path) -> None:
    """--dry-run and --prune arrive; a file is a must."""
    file = tmp_path / "f.yaml"
    file.write_text("subscriptions: []")
    runner = CliRunner(env=api.variables)

    dry = runner.invoke(
        commands, ["subscriptions", "apply", "-f", str(file), "--prune", "--dry-run"]
    )
    without = runner.invoke(commands, ["subscriptions", "apply"])
    listed = runner.invoke(commands, ["subscriptions", "list", "--subscriber", "a", "-o", "json"])

    assert (dry.exit_code, without.exit_code, listed.exit_code) == (0, 2, 0)
    assert api.asked[0].path == "/v1/subscribers"
    assert json.loads(listed.stdout) == []


def test_without_an_address_the_variables_are_named() -> None:
    """Exit 4, on stderr."""
    done = CliRunner(env={"HOOKLANE_URL": "", "HOOKLANE_KEY": ""}).invoke(
        commands, ["keys", "list"]
    )

    assert done.exit_code == 4
    assert "HOOKLANE_URL and HOOKLANE_KEY" in done.stderr


@pytest.mark.parametrize("group", [cli_api.events, cli_api.subscriptions, cli_api.keys])
def test_every_option_explains_itself(group: click.Group) -> None:
    """No option without a word."""
    options = [p for c in group.commands.values() for p in c.params if isinstance(p, click.Option)]

    assert options
    assert all(option.help for option in options)
