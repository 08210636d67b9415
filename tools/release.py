"""What a release needs and a test can judge: `python -m tools.release check|notes|chart …`.

`check TAG` compares the tag with what the package, the chart and the changelog say; `notes TAG`
prints the changelog's section; `chart REPOSITORY DIGEST` packages the chart into `build/` so that
it installs exactly that image.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

from tools.helm import HelmMissing, ensure

ROOT = Path(__file__).parents[1]
CHART = Path("helm/hooklane")
VERSION = r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?"
DIGEST = r"sha256:[0-9a-f]{64}"
PACKAGE_S_MAX = 60


class Unreleasable(Exception):
    """What is asked for cannot be released; the text is one line a problem."""


def version_of(tag: str) -> str:
    """Return the version that a tag names."""
    if not re.fullmatch(f"v{VERSION}", tag):
        raise Unreleasable(f"a tag is v1.2.3 or v1.2.3-rc.1, not {tag!r}")
    return tag[1:]


def check(tag: str, root: Path = ROOT) -> None:
    """Demand that everything says the version of the tag."""
    wanted = version_of(tag)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((root / CHART / "Chart.yaml").read_text())
    said = {
        "pyproject.toml, version": project["version"],
        "Chart.yaml, version": chart["version"],
        "Chart.yaml, appVersion": chart["appVersion"],
    }
    problems = [f"{where}: {what}, not {wanted}" for where, what in said.items() if what != wanted]
    try:
        notes(tag, root)
    except Unreleasable as error:
        problems.append(str(error))
    if problems:
        raise Unreleasable("\n".join(problems))


def notes(tag: str, root: Path = ROOT) -> str:
    """Return what the changelog says about a version."""
    version = version_of(tag)
    text = (root / "CHANGELOG.md").read_text()
    found = re.search(
        rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", text, re.MULTILINE | re.DOTALL
    )
    if found is None or not found[1].strip():
        raise Unreleasable(f"CHANGELOG.md: there is no section [{version}]")
    return found[1].strip() + "\n"


def values_with_image(values: str, repository: str, digest: str) -> str:
    """Write an image into the text of values.yaml; its comments stay."""
    if not re.fullmatch(DIGEST, digest):
        raise Unreleasable(f"a digest is sha256:…, not {digest!r}")
    before, image, after = re.split(
        r"^(image:\n(?:  .*\n)+)", values, maxsplit=1, flags=re.MULTILINE
    )
    for name, value in (("repository", repository), ("digest", f'"{digest}"')):
        image, count = re.subn(rf"^  {name}: .*$", f"  {name}: {value}", image, flags=re.MULTILINE)
        if count != 1:
            raise Unreleasable(f"values.yaml has {count} lines image.{name}")
    return before + image + after


def package_chart(repository: str, digest: str, *, target: Path, root: Path = ROOT) -> Path:
    """Package the chart with an image in its values; return the archive."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / CHART.name
        shutil.copytree(root / CHART, chart)
        values = chart / "values.yaml"
        values.write_text(values_with_image(values.read_text(), repository, digest))
        version = yaml.safe_load((chart / "Chart.yaml").read_text())["version"]
        subprocess.run(
            [str(ensure().helm), "package", str(chart), "-d", str(target)],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=PACKAGE_S_MAX,
        )
    return target / f"{CHART.name}-{version}.tgz"


def main(arguments: list[str]) -> int:
    """Do what is asked; 1 with a line a problem when it cannot be."""
    try:
        match arguments:
            case ["check", tag]:
                check(tag)
            case ["notes", tag]:
                sys.stdout.write(notes(tag))
            case ["chart", repository, digest]:
                target = ROOT / "build"
                target.mkdir(exist_ok=True)
                sys.stdout.write(f"{package_chart(repository, digest, target=target)}\n")
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except (Unreleasable, HelmMissing) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
