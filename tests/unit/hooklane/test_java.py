"""A new enough Java is found; an old or missing one is said in one line."""

import subprocess
from pathlib import Path

import pytest

from hooklane import java


def java_home(folder: Path, version: str | None) -> Path:
    """Make a folder that looks like a Java home."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("")
    if version is not None:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.mark.parametrize("version", ["17.0.15", "21", "25.0.2", None])
def test_java_home_is_preferred(tmp_path: Path, version: str | None) -> None:
    """JAVA_HOME is used from Java 17 on, also when its version is not written down."""
    home = java_home(tmp_path / "jdk", version)

    assert java.find_java({"JAVA_HOME": str(home)}, print) == home / "bin" / "java"


@pytest.mark.parametrize(("version", "said"), [("11.0.2", "Java 11"), ("1.8.0_392", "Java 8")])
def test_an_old_java_home_is_passed_over_and_said(tmp_path: Path, version: str, said: str) -> None:
    """The packaged Java serves when JAVA_HOME is for another program."""
    lines: list[str] = []
    home = java_home(tmp_path / "jdk", version)

    found = java.find_java({"JAVA_HOME": str(home)}, lines.append)

    assert found == java.packaged_java()
    assert len(lines) == 1
    assert said in lines[0]


def test_a_java_home_without_java_is_said(tmp_path: Path) -> None:
    """A stale JAVA_HOME names what it lacks."""
    assert "bin/java" in (java.java_home_problem(tmp_path) or "")


def test_the_packaged_java_is_new_enough() -> None:
    """What pip brings runs and is at least Java 17."""
    packaged = java.packaged_java()
    assert packaged is not None

    release = (packaged.parents[1] / "release").read_text()

    assert (java.java_major(release) or 0) >= java.JAVA_MAJOR_MIN
    assert subprocess.run([packaged, "-version"], capture_output=True, check=False).returncode == 0


def test_the_missing_line_names_every_way_out() -> None:
    """The message for a machine without Java says what to install or set."""
    for way in ("pip install 'hooklane[dev]'", "JAVA_HOME", "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"):
        assert way in java.MISSING
    assert "\n" not in java.MISSING
