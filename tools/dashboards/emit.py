"""Write the dashboards into the chart; a test fails when one is out of date."""

import json
from collections.abc import Mapping
from pathlib import Path

from tools.dashboards.grafana import dashboard_json
from tools.dashboards.model import Dashboard
from tools.dashboards.overview import OVERVIEW
from tools.dashboards.pipeline import PIPELINE
from tools.dashboards.receivers import RECEIVERS
from tools.dashboards.runtime import RUNTIME

FOLDER = Path(__file__).parents[2] / "helm" / "hooklane" / "files" / "dashboards"
DASHBOARDS: Mapping[str, Dashboard] = {
    "overview": OVERVIEW,
    "pipeline": PIPELINE,
    "receivers": RECEIVERS,
    "runtime": RUNTIME,
}


def generated() -> dict[Path, str]:
    """Return every file with its content."""
    return {
        FOLDER / f"{name}.json": json.dumps(dashboard_json(made), indent=1, ensure_ascii=False)
        + "\n"
        for name, made in DASHBOARDS.items()
    }


def main() -> int:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    return 0
