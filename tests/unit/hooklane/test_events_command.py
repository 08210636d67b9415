"""`hooklane events send` against a fake gateway."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hooklane.events_command import SendOptions, run_send
from hooklane.exits import CommandFailed
from tests.fakes.management_api import ManagementApi

ACCEPTED = {"id": "evt_1", "webhook_id": "msg_1", "subscriber": "a", "partition": 1, "offset": 7}
FIELDS = {"subscriber": "a", "type": "t"}


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """Serve; single events are accepted."""
    with ManagementApi() as serving:
        serving.scripted["POST", "/v1/events"] = (202, ACCEPTED)
        yield serving


def test_one_event_from_flags(api: ManagementApi, capsys: pytest.CaptureFixture[str]) -> None:
    """The native shape goes out; ids and place come back."""
    options = SendOptions(FIELDS, data='{"n":1}', idempotency_key="k-1")

    code = run_send(api.variables, options, "table")

    assert code == 0
    assert api.asked[0].document == {"subscriber": "a", "type": "t", "data": {"n": 1}}
    assert api.asked[0].headers["idempotency-key"] == "k-1"
    assert capsys.readouterr().out.split("\n")[1].split() == ["evt_1", "msg_1", "a", "1", "7"]


@pytest.mark.parametrize("raw", [b'{"a":1}\n{"\xff":1}\n', b'[{"a":1},\n{"\xff":1}]'])
def test_bytes_that_are_not_utf_8_are_invalid_and_nothing_is_sent(
    api: ManagementApi, tmp_path: Path, raw: bytes
) -> None:
    """The name of a member was a traceback."""
    file = tmp_path / "events"
    file.write_bytes(raw)

    with pytest.raises(CommandFailed, match=f"{file}: line 2 is not UTF-8") as failed:
        run_send(api.variables, SendOptions({}, file=str(file)), "table")

    assert (failed.value.code, api.asked) == (4, [])


def test_a_cloudevent_gets_its_media_type(api: ManagementApi, tmp_path: Path) -> None:
    """A file with specversion is sent structured."""
    file = tmp_path / "event.json"
    file.write_text('{"specversion":"1.0","id":"1"}')

    run_send(api.variables, SendOptions({}, file=str(file)), "json")

    assert api.asked[0].headers["content-type"] == "application/cloudevents+json"


def test_a_batch_shows_each_item_and_fails_for_one(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was refused is named; the code is that of the first refusal."""
    refused = {"index": 1, "status": 422, "code": "validation_failed", "detail": "/type: required"}
    items = [{"index": 0, "status": 202, "id": "evt_1"}, refused]
    api.scripted["POST", "/v1/events/batch"] = (202, {"items": items})
    file = tmp_path / "events.ndjson"
    file.write_text('{"a":1}\n{"b":2}\n')

    code = run_send(api.variables, SendOptions({}, file=str(file)), "json")

    shown = capsys.readouterr()
    assert code == 4
    assert [row["status"] for row in json.loads(shown.out)] == [202, 422]
    assert "1 of 2 events were refused" in shown.err
    assert api.asked[0].document == [{"a": 1}, {"b": 2}]


def test_large_files_go_in_several_batches(
    api: ManagementApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has a key of its own, and indexes count through."""
    answer = {"items": [{"index": 0, "status": 202}]}
    api.scripted["POST", "/v1/events/batch"] = (202, answer)
    file = tmp_path / "events.ndjson"
    file.write_text('{"a":1}\n' * 1001)

    run_send(api.variables, SendOptions({}, file=str(file), idempotency_key="k"), "json")

    keys = [one.headers["idempotency-key"] for one in api.asked]
    assert keys == ["k", "k.1"]
    assert [row["index"] for row in json.loads(capsys.readouterr().out)] == [0, 1]


def test_a_problem_is_shown_with_its_places(api: ManagementApi) -> None:
    """Exit 4 and one line per field."""
    errors = [{"pointer": "/type", "detail": "required"}]
    api.scripted["POST", "/v1/events"] = (422, {"code": "c", "detail": "d", "errors": errors})

    with pytest.raises(CommandFailed, match=r"/type: required") as caught:
        run_send(api.variables, SendOptions(FIELDS), "table")

    assert caught.value.code == 4


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (SendOptions({}), 2),
        (SendOptions({"subscriber": "a"}), 2),
        (SendOptions(FIELDS, file="f"), 2),
        (SendOptions(FIELDS, data="1", data_file="f"), 2),
        (SendOptions(FIELDS, data="{"), 4),
        (SendOptions({}, file="/nowhere/at/all"), 4),
    ],
)
def test_wrong_input_never_reaches_the_gateway(
    api: ManagementApi, options: SendOptions, code: int
) -> None:
    """2 for flags that contradict, 4 for input that is no event."""
    with pytest.raises(CommandFailed) as caught:
        run_send(api.variables, options, "table")

    assert caught.value.code == code
    assert api.asked == []


def test_a_broken_connection_says_how_to_repeat() -> None:
    """Only where something may have been sent; a closed port is no such case."""
    nowhere = {"HOOKLANE_URL": "http://127.0.0.1:1", "HOOKLANE_KEY": "k"}

    with pytest.raises(CommandFailed) as caught:
        run_send(nowhere, SendOptions(FIELDS), "table")

    assert caught.value.code == 5
    assert "--idempotency-key" not in str(caught.value)
