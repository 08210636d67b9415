"""The shipped rules and their promtool tests, parsed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import promql_parser as promql
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "helm" / "hooklane" / "files" / "alerts").glob("*.yaml"))
TESTS = sorted(Path(__file__).parent.glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
FOREIGN = re.compile(r"up|process_\w+|python_\w+|container_cpu_cfs_throttled_seconds_total")
"""Metrics that are not ours to define."""


@dataclass(frozen=True)
class Rule:
    """One rule of a file."""

    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    is_alert: bool
    holds: str


@lru_cache
def every_rule() -> list[Rule]:
    """Return all rules of all files."""
    return [
        Rule(
            one.get("alert") or one["record"],
            one["expr"],
            one.get("labels", {}),
            one.get("annotations", {}),
            "alert" in one,
            one.get("for", "0"),
        )
        for path in FILES
        for group in yaml.load(path.read_text(), yaml.CSafeLoader)["groups"]
        for one in group["rules"]
    ]


@lru_cache
def alerts() -> dict[str, list[Rule]]:
    """Return the alerts by name; several severities share one."""
    found: dict[str, list[Rule]] = {}
    for rule in every_rule():
        if rule.is_alert:
            found.setdefault(rule.name, []).append(rule)
    return found


@lru_cache
def judged() -> frozenset[tuple[str, bool]]:
    """List what the promtool tests look at: an alert, and whether it must fire."""
    return frozenset(_judged())


def _judged() -> Iterator[tuple[str, bool]]:
    for path in TESTS:
        for case in yaml.load(path.read_text(), yaml.CSafeLoader)["tests"]:
            for one in case.get("promql_expr_test", ()):
                for name in alerts():
                    if re.search(rf'alertname=~?"[^"]*\b{name}\b', one["expr"]):
                        is_firing = 'alertstate="firing"' in str(one["exp_samples"])
                        yield name, is_firing


def selectors(expr: str) -> list[promql.VectorSelector]:
    """Return every selector of a query; raises ValueError when it does not parse."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.append(node)
        return True

    promql.walk(promql.parse(expr), visit)
    return found
