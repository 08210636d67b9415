"""Getting Prometheus: whole, once, without installing it, and with one line when it cannot be."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.locks import telling
from tools import debian
from tools import prometheus as installer
from tools.prometheus import PrometheusMissing, Tools


def _package(folder: Path, *programs: str) -> Path:
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: prometheus\nVersion: 1\nArchitecture: all\nMaintainer: us <us@example.com>\n"
        "Description: a test\n"
    )
    (tree / "usr" / "bin").mkdir(parents=True)
    for name in programs:
        (tree / "usr" / "bin" / name).write_text(f"#!/bin/sh\necho {name}\n")
        (tree / "usr" / "bin" / name).chmod(0o755)
    package = folder / "prometheus_1_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    return package


needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")


@needs_dpkg
def test_programs_are_unpacked_once_and_found_again(tmp_path: Path) -> None:
    """Both lie in the cache, executable; a second run leaves nothing of its own."""
    cache = tmp_path / "tools" / "prometheus"
    package = _package(tmp_path, "prometheus", "promtool")

    debian.unpack(package, installer.PROGRAMS, cache)
    debian.unpack(package, installer.PROGRAMS, cache)

    assert installer.find(cache) == Tools(cache / "prometheus", cache / "promtool")
    assert installer.ensure(cache).promtool.stat().st_mode & 0o111
    assert [one.name for one in cache.parent.iterdir()] == ["prometheus"]


@needs_dpkg
def test_a_package_of_another_shape_is_refused(tmp_path: Path) -> None:
    """Half a cache would be found for ever."""
    half = _package(tmp_path, "prometheus")

    with pytest.raises(debian.PackageMissing, match="has no prometheus and promtool"):
        debian.unpack(half, installer.PROGRAMS, tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


@needs_dpkg
def test_who_asks_while_it_is_fetched_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once would load the same package twice."""
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text(f'#!/bin/sh\necho "E: $({telling(tmp_path / "cache.lock")})" >&2; exit 1\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}:/usr/bin:/bin")

    with pytest.raises(debian.PackageMissing, match="E: held"):
        debian.programs("prometheus", installer.PROGRAMS, tmp_path / "cache")


@needs_dpkg
def test_who_waited_for_a_package_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was unpacked while the lock was held: nothing is loaded again."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "apt-get").chmod(0o755)
    (tmp_path / "cache").mkdir()

    debian.programs("prometheus", installer.PROGRAMS, tmp_path / "cache")


def test_without_apt_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's machine may have neither apt nor a Prometheus."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PrometheusMissing) as missing:
        installer.ensure(tmp_path / "cache")

    assert "\n" not in str(missing.value)
    assert "python -m tools.prometheus" in str(missing.value)
    assert "PATH" in str(missing.value)
