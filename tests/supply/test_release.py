"""A release: pinned actions, commands that exist, one version, a chart that names its image."""

import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.missing import missing
from tools.helm import HelmMissing, ensure
from tools.release import Unreleasable, check, notes, package_chart, values_with_image, version_of

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DIGEST = "sha256:" + "0123456789abcdef" * 4


def _workflow(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def _jobs() -> list[tuple[str, dict[str, Any]]]:
    return [(path.name, job) for path in WORKFLOWS for job in _workflow(path)["jobs"].values()]


def _steps() -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, job in _jobs() for step in job.get("steps", [])]


def _scripts() -> list[str]:
    return [step["run"] for _, step in _steps() if "run" in step]


def test_every_action_is_pinned_by_its_commit() -> None:
    """A tag may be other code tomorrow; the comment says which version it was."""
    lines = [
        line.strip().removeprefix("- ")
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if re.match(r"\s*(- )?uses:", line)
    ]

    assert len(lines) == sum("uses" in step for _, step in (*_steps(), *_jobs()))
    for line in lines:
        assert re.fullmatch(r"uses: (\./\S+|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)", line), (
            line
        )
        if "./" in line:
            assert (ROOT / line.removeprefix("uses: ")).is_file()


def test_every_command_of_ours_exists() -> None:
    """Targets of the Makefile, modules of tools, the script that CI runs."""
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(_scripts())

    asked = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"sbom", "release-check", "chart-package"} <= asked
    assert asked <= targets
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
    assert ".ci/run" in _scripts()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_nothing_from_outside_is_pasted_into_a_script() -> None:
    """The name of a tag or branch is data; in a script's text it would be code."""
    for script in _scripts():
        assert "${{" not in script


def test_a_job_may_do_no_more_than_it_says_and_not_for_ever() -> None:
    """Read the code, unless a job says what else it needs and has to; each has a deadline."""
    for path in WORKFLOWS:
        assert _workflow(path)["permissions"] == {"contents": "read"}
    for name, job in _jobs():
        assert "uses" in job or job["timeout-minutes"] <= 60, name
        wanted = job.get("permissions", {"contents": "read"})
        assert wanted == {"contents": "read"} or name == "release.yml"


def test_an_image_is_pushed_only_after_the_tests() -> None:
    """The tests of the same commit, by the same file that judges a pull request."""
    jobs = _workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]

    assert jobs["publish"]["needs"] == "test"
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"


def test_a_file_of_the_image_has_its_folder_by_then() -> None:
    """A fresh checkout has no `build/`; what makes it elsewhere comes later."""
    (script,) = (one for one in _scripts() if "docker buildx build" in one)

    before, _, _ = script.partition("--metadata-file build/")
    assert before != script
    assert before.startswith("mkdir -p build\n")


@pytest.mark.parametrize("script", _scripts(), ids=range(len(_scripts())))
def test_every_script_is_bash(script: str) -> None:
    """A syntax error would show at the release only."""
    ended = subprocess.run(["bash", "-n"], check=False, input=script, text=True, timeout=10)

    assert ended.returncode == 0


def _tree(folder: Path, *, version: str = "1.2.3", chart: str = "1.2.3") -> Path:
    (folder / "helm" / "hooklane").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (folder / "helm" / "hooklane" / "Chart.yaml").write_text(
        f'version: {chart}\nappVersion: "{version}"\n'
    )
    (folder / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-01-02\n\n- new\n\n"
        "## [1.2.2] - 2026-01-01\n\n- old\n"
    )
    return folder


def test_a_release_says_one_version_everywhere(tmp_path: Path) -> None:
    """Each place that says another one is named."""
    check("v1.2.3", _tree(tmp_path / "good"))

    with pytest.raises(Unreleasable, match=r"(?s)version: 1.2.3, not 1.2.4.*no section \[1.2.4\]"):
        check("v1.2.4", tmp_path / "good")
    with pytest.raises(Unreleasable, match=r"Chart.yaml, version: 1.2.2, not 1.2.3"):
        check("v1.2.3", _tree(tmp_path / "bad", chart="1.2.2"))


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3; rm -rf /", "latest", ""])
def test_a_tag_is_a_version(tag: str) -> None:
    """Nothing else begins a release."""
    with pytest.raises(Unreleasable, match=r"a tag is v1\.2\.3"):
        version_of(tag)


def test_the_notes_are_the_section_of_the_changelog(tmp_path: Path) -> None:
    """Neither what comes later nor what was before."""
    assert notes("v1.2.3", _tree(tmp_path)) == "- new\n"


def test_the_chart_of_a_release_installs_the_image_by_its_digest(tmp_path: Path) -> None:
    """The packaged values name registry and digest; everything else is as in the checkout."""
    try:
        ensure()
    except HelmMissing as error:
        missing(str(error))

    archive = package_chart("registry.example.com/shop/hooklane", DIGEST, target=tmp_path)

    with tarfile.open(archive) as packed:
        member = packed.extractfile("hooklane/values.yaml")
        assert member is not None
        values = yaml.safe_load(member.read())
    ours = yaml.safe_load((ROOT / "helm" / "hooklane" / "values.yaml").read_text())
    assert values["image"].pop("repository") == "registry.example.com/shop/hooklane"
    assert values["image"].pop("digest") == DIGEST
    del ours["image"]["repository"], ours["image"]["digest"]
    assert values == ours


def test_a_digest_is_no_tag() -> None:
    """What names no content is refused."""
    with pytest.raises(Unreleasable, match="a digest is sha256"):
        values_with_image("image:\n  repository: a\n  digest: \n", "b", "latest")
