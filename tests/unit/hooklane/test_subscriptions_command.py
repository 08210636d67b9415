"""`hooklane subscriptions` against a fake gateway."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hooklane.exits import CommandFailed
from hooklane.subscriptions_command import ApplyOptions, run_apply, run_list
from tests.fakes.management_api import ManagementApi

FILE = """
owner: billing
subscriptions:
  - subscriber: acme
    name: orders
    url: https://example.com/orders
    headers: {x-tenant: acme}
  - subscriber: beta
    name: all
    url: https://example.com/beta
    secret: {env: BETA}
"""
SECRET = "whsec_" + "QkVU" * 8


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """Serve, with one subscription that somebody made by the API."""
    with ManagementApi() as serving:
        yield serving


def apply(api: ManagementApi, folder: Path, text: str = FILE, **options: bool) -> int:
    """Write the file and apply it."""
    file = folder / "subs.yaml"
    file.write_text(text)
    chosen = ApplyOptions(str(file), options.get("prune", False), options.get("dry", False))
    return run_apply({**api.variables, "BETA": SECRET}, chosen, "table")


def test_apply_creates_then_changes_nothing(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run finds all as wanted, also headers whose secret the gateway made."""
    first = apply(api, tmp_path)
    shown = capsys.readouterr().out
    api.asked.clear()

    second = apply(api, tmp_path)

    assert (first, second) == (0, 0)
    assert "+ acme/orders  create" in shown
    assert api.writes() == []
    again = capsys.readouterr()
    assert (again.out, again.err) == ("= 2 unchanged\n", "nothing to change\n")
    assert SECRET not in shown


def test_dry_run_writes_nothing(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows the same lines and says that it was dry."""
    code = apply(api, tmp_path, dry=True)

    assert code == 0
    assert api.writes() == []
    assert "nothing was changed" in capsys.readouterr().err


def test_changes_are_made_on_the_version_that_was_seen(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A field, a header's value, a rotated secret; each with If-Match."""
    apply(api, tmp_path)
    api.secrets["sub_2"] = "whsec_" + "T0xE" * 8
    api.asked.clear()
    changed = FILE.replace(
        "orders\n    headers: {x-tenant: acme}", "o2\n    headers: {x-tenant: b}"
    )

    code = apply(api, tmp_path, changed)

    writes = [one for one in api.asked if one.method != "GET"]
    assert code == 0
    assert [(one.method, one.path.rsplit("/", 1)[1]) for one in writes] == [
        ("PATCH", "sub_1"), ("POST", "rotate-secret"),
    ]  # fmt: skip
    assert all(one.headers["if-match"] for one in writes)
    assert api.subscriptions["sub_1"]["headers"] == {"x-tenant": "b"}
    assert api.secrets["sub_2"] == SECRET
    assert "url: https://example.com/orders -> https://example.com/o2" in capsys.readouterr().out


def test_prune_deletes_ones_own_only(api: ManagementApi, tmp_path: Path) -> None:
    """Also of a subscriber that the file no longer has; API-made ones stay."""
    apply(api, tmp_path)
    api.subscriptions["sub_9"] = {**api.subscriptions["sub_1"], "id": "sub_9", "metadata": {}}

    kept = apply(api, tmp_path, "owner: billing\nsubscriptions: []\n")
    left = set(api.subscriptions)
    pruned = apply(api, tmp_path, "owner: billing\nsubscriptions: []\n", prune=True)

    assert (kept, pruned) == (0, 0)
    assert left == {"sub_1", "sub_2", "sub_9"}
    assert set(api.subscriptions) == {"sub_9"}


def test_a_lost_race_is_told_and_the_rest_goes_on(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """412: nothing is overwritten, the other entries are applied, exit 1."""
    apply(api, tmp_path)
    refusal = (412, {"code": "version_mismatch", "detail": "another version"})
    api.scripted["PATCH", "/v1/subscribers/acme/subscriptions/sub_1"] = refusal
    changed = FILE.replace("com/orders", "com/x").replace("com/beta", "com/y")

    code = apply(api, tmp_path, changed)

    shown = capsys.readouterr().err
    assert code == 1
    assert "acme/orders: PATCH" in shown
    assert "somebody changed it meanwhile" in shown
    assert "1 of 2 changes made" in shown
    assert api.subscriptions["sub_2"]["url"] == "https://example.com/y"


def test_what_the_file_no_longer_has_is_named(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A renamed one would else stay beside its successor unseen; only --prune deletes it."""
    apply(api, tmp_path)
    capsys.readouterr()

    apply(api, tmp_path, FILE.replace("name: orders", "name: renamed"))

    shown = capsys.readouterr().err
    assert "left as it is: acme/orders (--prune deletes it)" in shown
    assert len(api.subscriptions) == 3


def test_apply_comes_back_when_the_gateway_asks_to_wait(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of thousands meets the limit on changes; every one is made all the same."""
    api.refusals = [(429, "quota_exceeded", {"Retry-After": "0"})] * 5

    code = apply(api, tmp_path)

    assert code == 0
    assert len(api.subscriptions) == 2
    assert "2 of 2 changes made" in capsys.readouterr().err


def test_a_doubled_mark_stops_everything(api: ManagementApi, tmp_path: Path) -> None:
    """Which of the two is meant, a person must say."""
    apply(api, tmp_path)
    api.subscriptions["sub_9"] = {**api.subscriptions["sub_1"], "id": "sub_9"}
    api.asked.clear()

    with pytest.raises(CommandFailed, match="is there twice: sub_"):
        apply(api, tmp_path)

    assert api.writes() == []


def test_list_names_the_owner(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all subscribers, page by page, or of one."""
    apply(api, tmp_path)
    capsys.readouterr()

    run_list(api.variables, None, "table")
    rows = capsys.readouterr().out.splitlines()[1:]
    run_list(api.variables, "beta", "json")
    only = json.loads(capsys.readouterr().out)

    assert ["billing/orders" in row or "billing/all" in row for row in rows] == [True, True]
    assert [one["subscriber"] for one in only] == ["beta"]
