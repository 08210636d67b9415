"""`hooklane verify` from files, with the secret from its three places but a prompt."""

import json
from pathlib import Path

import pytest

from hooklane.exits import CommandFailed
from hooklane.verify_command import VerifyOptions, read_capture, run_verify
from tests.unit.hooklane.test_verification import BODY, SECRET, STAMP, V1

VARIABLES = {"WEBHOOK_SECRET": SECRET}
LINES = (
    "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
    f"webhook-timestamp: {STAMP}",
    f"webhook-signature: {V1}",
)


@pytest.fixture
def body(tmp_path: Path) -> str:
    """Give a file with the vector's body."""
    (tmp_path / "body").write_bytes(BODY)
    return str(tmp_path / "body")


def test_an_old_capture_verifies_at_its_time(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--now moves the clock; without it the age is what fails."""
    options = VerifyOptions(LINES, body_file=body, now_s=STAMP)

    assert run_verify(VARIABLES, options, "table") == 0
    assert capsys.readouterr().out.endswith("\nverified\n")
    assert run_verify(VARIABLES, VerifyOptions(LINES, body_file=body), "table") == 1
    assert f"--now {STAMP}" in capsys.readouterr().out


def test_json_lists_the_steps(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts."""
    run_verify(VARIABLES, VerifyOptions(LINES, body_file=body, now_s=STAMP), "json")

    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is True
    assert {step["result"] for step in document["steps"]} == {"ok"}


def test_a_whole_request_in_a_file(tmp_path: Path) -> None:
    """Headers, an empty line, the body."""
    file = tmp_path / "request"
    file.write_bytes("\n".join(LINES).encode() + b"\n\n" + BODY)

    assert run_verify(VARIABLES, VerifyOptions(request_file=str(file), now_s=STAMP), "table") == 0


def test_the_secret_from_a_file(body: str, tmp_path: Path) -> None:
    """With the newline that editors leave."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    options = VerifyOptions(
        LINES, body_file=body, now_s=STAMP, secret_file=str(tmp_path / "secret")
    )

    assert run_verify({}, options, "table") == 0


def test_without_a_secret_the_variable_is_named(body: str) -> None:
    """Nothing prompts where nobody sits."""
    with pytest.raises(CommandFailed, match="WEBHOOK_SECRET") as caught:
        run_verify({}, VerifyOptions(LINES, body_file=body), "table")

    assert caught.value.code == 2


@pytest.mark.parametrize(
    "options", [VerifyOptions(LINES), VerifyOptions(LINES, body_file="b", request_file="r")]
)
def test_contradicting_input_is_usage(options: VerifyOptions) -> None:
    """Headers without a body, or both forms at once."""
    with pytest.raises(CommandFailed) as caught:
        read_capture(options)

    assert caught.value.code == 2
