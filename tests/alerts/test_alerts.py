"""The shipped alerts: judged by promtool, each with a runbook, about metrics that exist."""

import re
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from hooklane.cli import commands as cli
from hooklane.instruments import SERVICES, instruments_of
from tests.alerts.rules import (
    FILES,
    FOREIGN,
    ROOT,
    RUNBOOKS,
    TESTS,
    Rule,
    alerts,
    every_rule,
    judged,
    selectors,
)
from tests.promtool import Promtool
from tools import slo

DASHBOARDS = {"hooklane-overview", "hooklane-pipeline", "hooklane-receivers", "hooklane-runtime"}
SECTIONS = [
    "What it means",
    "What users feel",
    "How to look",
    "How to mend it",
    "When it is false",
]
TARGET_LABELS = {"namespace", "job", "instance", "pod", "container", "le"}
"""Labels that the scrape adds, and the bound of a bucket."""

RULES = every_rule()
IDS = [f"{rule.name}-{number}" for number, rule in enumerate(RULES)]


@lru_cache
def labels_of() -> dict[str, set[str]]:
    """Return the labels of every series our services show, by its name in a query."""
    found: dict[str, set[str]] = {}
    for service in SERVICES:
        for one in instruments_of(service):
            suffixes = ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",)
            for suffix in suffixes:
                found[one.name + suffix] = set(one.labels)
    return found


def unknown(expr: str) -> list[str]:
    """List what a query asks for that nobody shows."""
    known, recorded = labels_of(), {rule.name for rule in RULES if not rule.is_alert}
    wrong = []
    for selector in selectors(expr):
        name = selector.name or ""
        if name in recorded or FOREIGN.fullmatch(name):
            continue
        labels = {matcher.name for matcher in selector.matchers.matchers}
        if name not in known or not labels <= known[name] | TARGET_LABELS:
            wrong.append(f"{name}{selector.matchers}")
    return wrong


def test_promtool_accepts_every_file(promtool: Promtool) -> None:
    """Syntax, templates, duplicates."""
    code, said = promtool.run("check", "rules", *map(str, FILES))

    assert code == 0, said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(promtool: Promtool, path: Path) -> None:
    """The situations in tests/alerts/*.yaml, the incident of a rival among them."""
    code, said = promtool.run("test", "rules", str(path))

    assert code == 0, said


@pytest.mark.parametrize("name", alerts())
def test_every_alert_is_tried_firing_and_quiet(name: str) -> None:
    """An alert that no test can make fire is a wish; one that no test keeps quiet is noise."""
    tried = {is_firing for alert, is_firing in judged() if alert == name}

    assert tried == {True, False}


def test_every_severity_of_an_alert_is_tried() -> None:
    """A warning that becomes critical has two rules and two situations."""
    text = "".join(path.read_text() for path in TESTS)

    for name in ("HooklaneBacklog", "HooklaneIngestErrorBudgetBurn"):
        for severity in ("critical", "warning"):
            fires = rf'labels: ALERTS{{alertname="{name}"[^\n]*severity="{severity}"'
            assert re.search(fires, text), (name, severity)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_rules_ask_for_what_is_there(rule: Rule) -> None:
    """Every metric and label of a rule is in the tables of the services."""
    assert unknown(rule.expr) == []


@pytest.mark.parametrize("rule", [r for r in RULES if r.is_alert], ids=lambda rule: rule.name)
def test_an_alert_says_what_where_and_how(rule: Rule) -> None:
    """Severity, a sentence each, its runbook and the dashboard to open."""
    assert re.fullmatch(r"Hooklane[A-Z]\w+", rule.name)
    assert rule.labels["severity"] in {"critical", "warning", "info"}
    assert set(rule.annotations) == {"summary", "description", "runbook_url", "dashboard"}
    assert rule.annotations["runbook_url"] == f"docs/runbooks/{rule.name}.md"
    assert rule.annotations["dashboard"] in DASHBOARDS
    assert rule.annotations["summary"].endswith(".")
    assert rule.annotations["description"].endswith(".")


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    """A page at night leads to a page that helps."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(alerts())


def test_the_list_of_alerts_is_whole() -> None:
    """docs/alerts.md names each with its severities."""
    text = (ROOT / "docs" / "alerts.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| ([\w, ]+) \|", text, re.MULTILINE)

    assert {name: set(words.split(", ")) for name, words in rows} == {
        name: {rule.labels["severity"] for rule in listed} for name, listed in alerts().items()
    }
    assert f"\n{len(rows)} alerts come" in text


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_tells_all_five_things_in_queries_that_work(path: Path) -> None:
    """Meaning, users, looking, mending, false alarms; queries parse and metrics exist."""
    text = path.read_text()
    queries = re.findall(r"```promql\n(.*?)\n```", text, re.DOTALL)

    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert queries
    assert [wrong for query in queries for wrong in unknown(query)] == []


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_names_commands_and_settings_that_exist(path: Path) -> None:
    """`hooklane …` in code is a command of ours; `HOOKLANE_…` is in docs/settings.md."""
    text = path.read_text()
    settings = (ROOT / "docs" / "settings.md").read_text()
    commands = set(re.findall(r"(?:^|`)hooklane ([a-z][a-z-]+)", text, re.MULTILINE))

    assert commands <= set(cli.commands)
    assert [
        name for name in re.findall(r"HOOKLANE_[A-Z_]+\w", text) if f"`{name}`" not in settings
    ] == []


def test_log_lines_of_runbooks_are_logged() -> None:
    """What a runbook greps for by its full name is an event of our log."""
    sources = "".join(
        path.read_text()
        for room in ("chassis", "gateway", "fanout", "deliverer")
        for path in (ROOT / room).rglob("*.py")
    )
    greps = [
        word
        for path in RUNBOOKS.glob("*.md")
        for group in re.findall(r'grep (?:-E )?"?([\w.|]+)', path.read_text())
        for word in group.split("|")
        if "." in word
    ]

    assert greps
    assert [word for word in greps if f'"{word}' not in sources] == []


def test_the_objectives_are_generated() -> None:
    """After a change of tools/slo.py: `make generate`."""
    assert slo.PATH.read_text(encoding="utf-8") == slo.render()


def test_burn_rates_spend_the_shares_that_the_documents_name() -> None:
    """14.4 over an hour is 2 % of 30 days, 6 over six hours 5 %, the tickets 10 %."""
    hours = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}

    spent = [round(burn.rate * hours[burn.long] / (slo.DAYS * 24), 4) for burn in slo.BURNS]

    assert spent == [0.02, 0.05, 0.1, 0.1]


def test_rules_can_be_read_by_helm() -> None:
    """The chart takes the files apart and puts them together again; nothing else is in them."""
    for path in FILES:
        whole = yaml.safe_load(path.read_text())
        assert set(whole) == {"groups"}
        assert all(set(group) == {"name", "rules"} for group in whole["groups"])
