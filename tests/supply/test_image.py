"""What goes into the image is known beforehand: base, packages, and who says so."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.missing import missing, not_built
from tools.compose import JudgeMissing, complaints
from tools.locked import CONSTRAINTS, graph, pins

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def _instructions() -> list[str]:
    """Return the instructions of the Dockerfile, each on one line."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    return re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()


def _hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).parent / "hadolint"
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        missing("no hadolint: it comes with `make test`'s packages, but not for this machine")
    return subprocess.run(
        [str(program), "--failure-threshold", "style", str(file)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    """No complaint about the Dockerfile, of any severity, and the judge does judge."""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /x && pip install y\n")

    good = _hadolint(DOCKERFILE)

    assert (good.returncode, good.stdout) == (0, "")
    assert "DL3042" in _hadolint(bad).stdout


def test_every_stage_stands_on_a_digest() -> None:
    """A tag may be another image tomorrow."""
    lines = _instructions()
    bases = dict(line.split(" ", 1)[1].split("=", 1) for line in lines if line.startswith("ARG "))
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]

    assert stages == ["${BASE}", "${BASE}"]
    assert DIGEST.search(bases["BASE"])


def test_nothing_is_installed_without_its_hash() -> None:
    """Each call of an installer asks for hashes, or installs the wheel that was just built."""
    calls = [
        part
        for line in _instructions()
        if line.startswith("RUN ")
        for part in line.split("&&")
        if re.search(r"\bpip install\b|\buv build\b|apt-get", part)
    ]

    assert len(calls) == 4
    for call in calls:
        assert "--require-hashes" in call or ("--no-deps" in call and "/dist/*.whl" in call), call


def test_the_lock_holds_all_of_the_image_with_hashes() -> None:
    """What the product, its tracing and its build need; an unpinned one would stop the build."""
    pinned = pins(CONSTRAINTS.read_text())
    needed = set(graph("hooklane", frozenset({"otel"}))) - {"hooklane"} | {"uv", "hatchling"}

    assert needed - set(pinned) == set()
    assert [name for name in needed if not pinned[name].hashes] == []
    assert {"aiohttp", "aiokafka", "cramjam", "opentelemetry-sdk"} <= needed
    assert "pytest" not in needed


def test_the_compose_file_is_one(tmp_path: Path) -> None:
    """The library of docker compose reads it; a mistyped key and a lost service are refused."""
    mistyped, lost = tmp_path / "mistyped.yml", tmp_path / "lost.yml"
    text = COMPOSE.read_text()
    mistyped.write_text(text.replace("restart: unless-stopped", "restarts: always"))
    lost.write_text(re.sub(r"^    topics:$", "    topic:", text, flags=re.MULTILINE))
    assert lost.read_text() != text

    try:
        said = complaints(COMPOSE)
    except JudgeMissing as error:
        not_built(str(error))

    assert said == ""
    assert "restarts" in complaints(mistyped)
    assert "topic" in complaints(lost)


def test_compose_takes_kafka_by_its_digest_and_publishes_to_this_machine_only() -> None:
    """The demo opens no port to a network, and runs the Kafka it was tried with."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]

    assert DIGEST.search(services["kafka"]["image"])
    assert all(
        port.startswith("127.0.0.1:") for one in services.values() for port in one.get("ports", [])
    )
