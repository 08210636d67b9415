"""Alerts and dashboards come along with the chart as they lie in its files, or not at all."""

import json
from pathlib import Path

import pytest
import yaml

from tests.chart import crds
from tests.chart.rendering import CHART, Helm, Object, at, listed, of_kind, some
from tests.promtool import Promtool, tools_or_skip

ALERTS = sorted((CHART / "files" / "alerts").glob("*.yaml"))
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))


def _rule(helm: Helm, *options: str) -> Object:
    sets = [f"metrics.prometheusRule.{one}" for one in ("enabled=true", *options)]
    (rule,) = of_kind(helm.render_with(*sets), "PrometheusRule").values()
    return rule


def _dashboards(helm: Helm, *options: str) -> dict[str, Object]:
    sets = [f"metrics.dashboards.{one}" for one in options]
    found = of_kind(helm.render_with(*sets), "ConfigMap")
    return {name: one for name, one in found.items() if "-dashboard-" in name}


def _alerts(rule: Object) -> list[Object]:
    groups = listed(rule, "spec.groups")
    return [one for group in groups for one in listed(group, "rules") if "alert" in one]


def test_the_rules_arrive_as_they_were_tested(helm: Helm, tmp_path: Path) -> None:
    """Helm eats no `{{ $labels }}`, loses no group, and promtool accepts what comes out."""
    rule = _rule(helm)
    shipped = [group for path in ALERTS for group in yaml.safe_load(path.read_text())["groups"]]
    rendered = tmp_path / "rules.yaml"
    rendered.write_text(yaml.safe_dump(rule["spec"]))

    assert listed(rule, "spec.groups") == shipped
    assert crds.violation(rule) is None
    code, said = Promtool(tools_or_skip().promtool).run("check", "rules", str(rendered))
    assert code == 0, said


def test_an_alert_is_left_out_by_its_name(helm: Helm) -> None:
    """All severities of it go, and what others need stays."""
    name = "HooklaneFirstAttemptBudgetBurn"
    whole, less = _rule(helm), _rule(helm, f"disabled={{{name}}}")

    assert len(_alerts(whole)) - len(_alerts(less)) == 4
    assert name not in {one["alert"] for one in _alerts(less)}
    assert "hooklane:first_attempt_late:ratio_rate1h" in yaml.safe_dump(less)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "docs/runbooks/HooklaneBacklog.md"),
        ("https://r.example.com/", "https://r.example.com/HooklaneBacklog"),
        ("https://r.example.com/{alert}.md", "https://r.example.com/HooklaneBacklog.md"),
    ],
)
def test_runbooks_may_lie_anywhere(helm: Helm, tmp_path: Path, given: str, url: str) -> None:
    """As shipped, below an address, or in any form of address."""
    values = tmp_path / "values.yaml"
    values.write_text(
        yaml.safe_dump({"metrics": {"prometheusRule": {"enabled": True, "runbookBaseUrl": given}}})
    )
    needed = CHART / "ci" / "trial-values.yaml"

    objects = helm.render("-f", str(needed), "-f", str(values))

    (rule,) = of_kind(objects, "PrometheusRule").values()
    urls = {
        at(one, "annotations.runbook_url")
        for one in _alerts(rule)
        if one["alert"] == "HooklaneBacklog"
    }
    assert urls == {url}


def test_every_alert_gets_the_labels_of_the_platform(helm: Helm) -> None:
    """Ours stay; the object has those that Prometheus selects."""
    rule = _rule(helm, "ruleLabels.team=a", "labels.release=prom")

    assert {at(one, "labels.team") for one in _alerts(rule)} == {"a"}
    assert all(at(one, "labels.severity") for one in _alerts(rule))
    assert at(rule, "metadata.labels.release") == "prom"


def test_each_dashboard_is_a_config_map_with_its_very_bytes(helm: Helm) -> None:
    """Legends such as `{{outcome}}` are Grafana's, not Helm's."""
    found = _dashboards(helm, "enabled=true", "folder=ours")

    assert len(found) == len(DASHBOARDS) == 4
    for path in DASHBOARDS:
        one = found[f"r-hooklane-dashboard-{path.stem}"]
        text = some(one, "data")[path.name]
        assert json.loads(str(text)) == json.loads(path.read_text())
        assert "{{" in str(text)
        assert some(one, "metadata.labels")["grafana_dashboard"] == "1"
        assert some(one, "metadata.annotations")["grafana_folder"] == "ours"


def test_the_folder_is_named_as_the_sidecar_wants_it(helm: Helm) -> None:
    """Another annotation, or none at all."""
    named = _dashboards(helm, "enabled=true", "folder=ours", "folderAnnotation=k8s-folder")
    plain = _dashboards(helm, "enabled=true")

    for one in named.values():
        assert some(one, "metadata.annotations") == {"k8s-folder": "ours"}
    for one in plain.values():
        assert "annotations" not in some(one, "metadata")


def test_both_are_off_unless_wanted(helm: Helm) -> None:
    """Without the operator's types in the cluster a PrometheusRule would fail the install."""
    assert of_kind(helm.render_with(), "PrometheusRule") == {}
    assert _dashboards(helm, "enabled=false") == {}
