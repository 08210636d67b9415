"""Tests of the command's output and exit code."""

import json

import pytest

from hooklane.doctor.examination import Wishes
from hooklane.doctor_command import run_doctor


def test_it_prints_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """And fails with what failed."""
    assert run_doctor({}, Wishes(["fanout"]), "table") == 1

    printed = capsys.readouterr().out
    assert printed.startswith(
        "fail  settings fanout  HOOKLANE_KAFKA__BOOTSTRAP_SERVERS: is required"
    )
    assert "-> see docs/settings.md" in printed


def test_it_prints_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON, and nothing else."""
    assert run_doctor({}, Wishes(["fanout"]), "json") == 1

    (first, *_) = json.loads(capsys.readouterr().out)
    assert (first["check"], first["status"]) == ("settings fanout", "fail")
