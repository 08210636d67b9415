"""Run the real Helm on the chart and look into what it renders."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

CHART = Path(__file__).parents[2] / "helm" / "hooklane"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE, NAMESPACE = "r", "hooks"
WORKLOADS = {"Deployment", "Job", "Pod"}
NEEDED = (
    "kafka.bootstrapServers=kafka:9092",
    "auth.existingSecret=hooklane",
    "vault.existingSecret=hooklane",
)
"""The values without which nothing renders."""

Object = dict[str, object]


class HelmFailed(Exception):
    """Helm ended with an error; the text is what it printed."""


@dataclass(frozen=True)
class Helm:
    """The program, with a home of its own so that no plugin or setting of this machine matters."""

    program: Path
    home: Path

    def run(self, *arguments: str) -> str:
        """Run one command; raises HelmFailed."""
        ended = subprocess.run(
            [str(self.program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
        )
        if ended.returncode:
            raise HelmFailed(ended.stdout + ended.stderr)
        return ended.stdout

    def text(self, *arguments: str) -> str:
        """Render with these arguments."""
        return self.run("template", RELEASE, str(CHART), "-n", NAMESPACE, *arguments)

    def render(self, *arguments: str) -> list[Object]:
        """Render with these arguments and parse; the same question is asked once."""
        return parse(_text(self, arguments))

    def render_with(self, *sets: str) -> list[Object]:
        """Render with the needed values and some more, `name=value`."""
        return self.render(*(part for one in (*NEEDED, *sets) for part in ("--set", one)))

    def render_file(self, values: Path) -> list[Object]:
        """Render with a file of values."""
        return self.render("-f", str(values))


@lru_cache(maxsize=64)
def _text(helm: Helm, arguments: tuple[str, ...]) -> str:
    return helm.text(*arguments)


def parse(text: str) -> list[Object]:
    """Return the objects of a rendered chart."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def at(one: object, path: str) -> object:
    """Return what lies at a dotted path; None where there is nothing."""
    for part in path.split("."):
        if not isinstance(one, dict):
            return None
        one = one.get(part)
    return one


def some(one: object, path: str) -> dict[str, object]:
    """Return the map at a dotted path; empty where there is none."""
    found = at(one, path)
    return found if isinstance(found, dict) else {}


def listed(one: object, path: str) -> list[dict[str, object]]:
    """Return the list at a dotted path; empty where there is none."""
    found = at(one, path)
    return found if isinstance(found, list) else []


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by name."""
    return {str(at(one, "metadata.name")): one for one in objects if one["kind"] == kind}


def component_of(one: Object) -> str:
    """Tell which part of the product an object belongs to."""
    return str(some(one, "metadata.labels").get("app.kubernetes.io/component"))


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """List every pod that the objects make, with the name of its maker."""
    for one in objects:
        if one["kind"] in WORKLOADS:
            pod = one if one["kind"] == "Pod" else some(one, "spec.template")
            yield f"{one['kind']}/{at(one, 'metadata.name')}", pod


def containers(pod: Object) -> list[Object]:
    """List the containers of a pod, init containers too."""
    return listed(pod, "spec.initContainers") + listed(pod, "spec.containers")
