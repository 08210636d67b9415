"""The shipped dashboards: generated, linted, of metrics that exist, whole for Grafana's types."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Typed

from tests.alerts.test_alerts import labels_of
from tests.dashboards import lint
from tests.dashboards.lint import RULES, Dashboard, Rule
from tools.dashboards.emit import generated
from tools.dashboards.grafana import dashboard_json
from tools.dashboards.overview import OVERVIEW

FILES = sorted(generated())
PROCESS = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    "python_gc_collections_total",
    "scrape_duration_seconds",
}
"""Metrics of the client library, the kernel and Prometheus that panels may use."""


def read(path: Path) -> Dashboard:
    """Parse a shipped file."""
    document: Dashboard = json.loads(path.read_text(encoding="utf-8"))
    return document


def fresh() -> Dashboard:
    """Return a dashboard that a test may spoil."""
    return copy.deepcopy(json.loads(json.dumps(dashboard_json(OVERVIEW))))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_current(path: Path) -> None:
    """After a change in tools/dashboards: `make generate`."""
    assert path.read_text(encoding="utf-8") == generated()[path], "run: make generate"


def test_there_are_no_other_files() -> None:
    """The chart ships what lies there."""
    assert sorted(FILES[0].parent.iterdir()) == FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_dashboards_keep_the_rules(rule: Rule, path: Path) -> None:
    """Those of dashboard-linter, and ours."""
    assert rule(read(path)) == []


def _panel(one: Dashboard, number: int = 0) -> dict[str, Any]:
    return lint.panels(one)[number]


def _expr(text: str) -> Callable[[Dashboard], None]:
    return lambda one: _panel(one)["targets"][0].update(expr=text, legendFormat="{{lost}}")


CHOSEN = 'x_total{namespace=~"$namespace",job=~"$job",instance=~"$instance"}'
SPOILED: dict[Rule, Callable[[Dashboard], object]] = {
    lint.template_datasource: lambda one: one["templating"]["list"][0].update(label="Source"),
    lint.template_job_and_instance: lambda one: one["templating"]["list"][2].update(multi=False),
    lint.template_label_promql: lambda one: one["templating"]["list"][2].update(query="job"),
    lint.template_on_time_change_reload: lambda one: one["templating"]["list"][2].update(refresh=1),
    lint.uneditable: lambda one: one.pop("editable"),
    lint.panel_datasource: lambda one: _panel(one).update(datasource={"uid": "mine"}),
    lint.panel_title_description: lambda one: _panel(one).update(description=""),
    lint.panel_units: lambda one: _panel(one)["fieldConfig"]["defaults"].update(unit="seconds"),
    lint.panel_no_targets: lambda one: _panel(one).update(targets=[]),
    lint.target_promql: _expr("sum("),
    lint.target_rate_interval: _expr(f"sum(rate({CHOSEN}[5m]))"),
    lint.target_matchers: _expr('sum(rate(x_total{job="a"}[$__rate_interval]))'),
    lint.target_counter_agg: _expr(f"sum({CHOSEN})"),
    lint.target_histogram: _expr(
        f"histogram_quantile(0.9, sum by (job) (rate({CHOSEN}[$__rate_interval])))"
    ),
    lint.legends: _expr(f"sum by (job) (rate({CHOSEN}[$__rate_interval]))"),
    lint.layout: lambda one: _panel(one).update(gridPos=_panel(one, 1)["gridPos"]),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_finds_what_breaks_it(rule: Rule) -> None:
    """A rule that nothing can break guards nothing."""
    spoiled = fresh()
    assert rule(spoiled) == []

    SPOILED[rule](spoiled)

    assert rule(spoiled) != []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_ask_for_what_is_there(path: Path) -> None:
    """Every metric, and every label it is chosen or summed by."""
    known = labels_of()
    wrong = []
    for title, target in lint.targets(read(path)):
        for node, _ in lint.nodes(target["expr"]):
            if isinstance(node, promql.VectorSelector):
                name = node.name or ""
                labels = {m.name for m in node.matchers.matchers} - lint.MATCHERS - {"le"}
                if name not in PROCESS and not labels <= known.get(name, {"?"}):
                    wrong.append(f"{title}: {node}")
                if name not in PROCESS and name not in known:
                    wrong.append(f"{title}: {name}")

    assert wrong == []


def _lost(source: object, kept: object, path: str = "") -> list[str]:
    """List what of the source is not in the other one, or differs."""
    if isinstance(source, dict) and isinstance(kept, dict):
        return [
            line
            for key, value in source.items()
            for line in (
                _lost(value, kept[key], f"{path}.{key}") if key in kept else [f"{path}.{key}"]
            )
        ]
    if isinstance(source, list) and isinstance(kept, list) and len(source) == len(kept):
        pairs = zip(source, kept, strict=True)
        return [line for n, (a, b) in enumerate(pairs) for line in _lost(a, b, f"{path}[{n}]")]
    return [] if source == kept else [path]


def _through_types(document: Dashboard) -> object:
    register_default_plugins()
    return json.loads(json.dumps(Typed.from_json(document), cls=JSONEncoder))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_grafanas_own_types_keep_every_field(path: Path) -> None:
    """A field that the Foundation SDK does not know is a typo: Grafana would drop it, too."""
    assert _lost(read(path), _through_types(read(path))) == []


def test_a_typo_would_be_lost() -> None:
    """The round trip can fail."""
    document = fresh()
    _panel(document)["titel"] = "x"

    assert len(_lost(document, _through_types(document))) == 1


def test_a_dashboard_of_an_alert_exists() -> None:
    """Alerts name the dashboard to open by its address, which never changes."""
    assert {read(path)["uid"] for path in FILES} == {
        f"hooklane-{name}" for name in ("overview", "pipeline", "receivers", "runtime")
    }


def test_the_documents_are_small_enough_for_a_config_map() -> None:
    """A ConfigMap holds 1 MiB."""
    assert sum(path.stat().st_size for path in FILES) < 300_000
