"""The wheel holds everything: flat layouts let tests pass against files that are not packaged."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROBE = """
import json, importlib, importlib.metadata, importlib.resources as resources
for name in ("gateway", "fanout", "deliverer", "schemas", "chassis", "hooklane"):
    importlib.import_module(name)
schema = json.loads((resources.files("schemas") / "json" / "subscription.json").read_text())
assert "lane_epoch" in json.dumps(schema), schema
names = {point.name for point in importlib.metadata.entry_points(group="hooklane.settings")}
assert names == {"gateway", "fanout", "deliverer"}, names
import schemas.cloudevents, hooklane.cli, gateway.service, fanout.service, deliverer.service
import schemas; print(schemas.__file__)
"""


def test_the_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:
    """Install the wheel without the checkout on the path, import all, read one JSON Schema."""
    dist, site = tmp_path / "dist", tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = dist.glob("hooklane-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = archive.namelist()
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    # -I and -S: no PYTHONPATH, no current folder, no .pth of the editable install.
    bootstrap = f"import sys; sys.path[:0] = [{str(site)!r}]; sys.path.append({dependencies!r})"

    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{bootstrap}\n{PROBE}"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().startswith(str(site))
    assert not [name for name in names if name.startswith(("tests/", "docs/", "bench/"))]
    assert "schemas/py.typed" in names
