"""Building a Go program: whole or not at all, and one line when it cannot be."""

from pathlib import Path

import pytest

from tests.locks import telling
from tools import apiserver, compose
from tools.go_program import BuildFailed, GoProgram, build


def _go(folder: Path, script: str) -> None:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_built_program_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What go wrote to the place it was told is moved to the place that is looked at."""
    _go(tmp_path, 'while [ "$1" != -o ]; do shift; done; echo built > "$2"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    place = tmp_path / "tools" / "thing"

    assert build(GoProgram("thing", "1", tmp_path), place) == place
    assert place.read_text() == "built\n"
    assert {one.name for one in place.parent.iterdir()} == {"thing", "lock"}


def test_who_asks_while_it_is_built_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds at once take twice as long, on two cores."""
    _go(tmp_path, f"{telling(tmp_path / 'tools' / 'lock')} >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(BuildFailed, match=r"\(held\)$"):
        build(GoProgram("thing", "1", tmp_path), tmp_path / "tools" / "thing")


def test_who_waited_for_a_build_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was made while the lock was held: nothing is built again."""
    _go(tmp_path, "echo built twice >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    place = tmp_path / "tools" / "thing"
    place.parent.mkdir()
    place.write_text("built")

    assert build(GoProgram("thing", "1", tmp_path), place).read_text() == "built"


def test_a_failed_build_leaves_nothing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of go is the reason."""
    _go(tmp_path, "echo first >&2; echo no such module >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(BuildFailed, match=r"^thing could not be built \(no such module\)$"):
        build(GoProgram("thing", "1", tmp_path), tmp_path / "tools" / "thing")

    assert [one.name for one in (tmp_path / "tools").iterdir()] == ["lock"]


def test_without_go_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's machine need not have it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BuildFailed, match=r"^no thing and no Go$"):
        build(GoProgram("thing", "1", tmp_path), tmp_path / "thing")


@pytest.mark.parametrize("program", [apiserver.PROGRAM, compose.CHECK], ids=lambda one: one.name)
def test_every_module_is_pinned_with_its_hash(program: GoProgram) -> None:
    """The version that is named is the one in go.mod, and go.sum is there."""
    module = (program.source / "go.mod").read_text()

    assert f" v{program.version}" in module
    assert (program.source / "go.sum").stat().st_size > 1000
