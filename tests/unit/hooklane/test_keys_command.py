"""`hooklane keys` against a fake gateway."""

import json
from collections.abc import Iterator

import pytest

from hooklane.exits import CommandFailed
from hooklane.keys_command import KeyOptions, run_create, run_list, run_revoke
from tests.fakes.management_api import ManagementApi


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """Serve for one test."""
    with ManagementApi() as serving:
        yield serving


def test_only_the_key_is_on_stdout(api: ManagementApi, capsys: pytest.CaptureFixture[str]) -> None:
    """So `KEY=$(hooklane keys create …)` works; what was not said is not sent."""
    options = KeyOptions("shop", ["events:write", "events:write"], "acme", events_per_second=5)

    code = run_create(api.variables, options, "table")

    assert code == 0
    assert capsys.readouterr().out == "hlk_key_1_x\n"
    assert api.asked[0].document == {
        "name": "shop",
        "scopes": ["events:write"],
        "subscriber": "acme",
        "quota": {"events_per_second": 5},
    }


def test_list_shows_what_keys_may_do(
    api: ManagementApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scopes in one cell; nothing where nothing is."""
    api.keys["k"] = {"id": "k", "name": "n", "scopes": ["admin", "replay"], "subscriber": None}

    run_list(api.variables, "table")

    assert capsys.readouterr().out.splitlines()[1].split() == ["k", "n", "admin,replay"]


def test_json_keeps_every_field(api: ManagementApi, capsys: pytest.CaptureFixture[str]) -> None:
    """Also those that a table has no column for."""
    api.keys["k"] = {"id": "k", "quota": {"events_per_second": 1}}

    run_list(api.variables, "json")

    assert json.loads(capsys.readouterr().out) == [api.keys["k"]]


def test_revoking_what_is_not_there_is_3(api: ManagementApi) -> None:
    """And what came before it is revoked."""
    api.keys["k"] = {"id": "k"}

    with pytest.raises(CommandFailed) as caught:
        run_revoke(api.variables, ["k", "other"])

    assert caught.value.code == 3
    assert api.keys == {}


def test_a_burst_needs_a_rate(api: ManagementApi) -> None:
    """Usage, before anything is asked."""
    with pytest.raises(CommandFailed) as caught:
        run_create(api.variables, KeyOptions("n", ["admin"], burst=3), "table")

    assert caught.value.code == 2
    assert api.asked == []
