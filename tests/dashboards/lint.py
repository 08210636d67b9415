"""The rules of Grafana's dashboard-linter, written anew, and a few of our own.

Each rule takes a dashboard's JSON and lists what breaks it. The linter itself cannot be had here.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as promql

Dashboard = dict[str, Any]
Rule = Callable[[Dashboard], list[str]]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"short", "s", "percentunit", "cps", "bytes", "percent", "none", "ops", "reqps"}
RATES = {"rate", "irate", "increase"}
INTERVAL_S, RANGE_S = 71, 3607
"""Odd enough to tell Grafana's variables from a time that somebody typed."""

MATCHERS = {"namespace", "job", "instance"}


def expand(expr: str) -> str:
    """Put values in for Grafana's own variables; the chosen labels stay."""
    return expr.replace("$__rate_interval", f"{INTERVAL_S}s").replace("$__range", f"{RANGE_S}s")


def panels(one: Dashboard) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in one["panels"] if panel["type"] != "row"]


def targets(one: Dashboard) -> Iterator[tuple[str, dict[str, Any]]]:
    """List each query with the name of its panel."""
    for panel in panels(one):
        for target in panel["targets"]:
            yield panel["title"], target


def variables(one: Dashboard) -> dict[str, dict[str, Any]]:
    """Return the variables by name."""
    return {str(var["name"]): var for var in one["templating"]["list"]}


def nodes(expr: str) -> Iterator[tuple[promql.Expr, str]]:
    """List every node of a query with the function it is the argument of."""
    found: list[tuple[promql.Expr, str]] = []

    def look(node: promql.Expr, parent: str) -> None:
        found.append((node, parent))
        inside = node.func.name if isinstance(node, promql.Call) else ""
        for part in ("expr", "lhs", "rhs", "vector_selector"):
            child = getattr(node, part, None)
            if isinstance(child, promql.Expr | promql.VectorSelector):
                look(child, parent if part == "vector_selector" else "")
        for child in getattr(node, "args", None) or ():
            look(child, inside)

    look(promql.parse(expand(expr)), "")
    yield from found


def template_datasource(one: Dashboard) -> list[str]:
    """The data source is a variable with the usual name and label."""
    var = variables(one).get("datasource", {})
    wanted = {"type": "datasource", "query": "prometheus", "label": "Data source"}
    return [f"datasource.{key}" for key, value in wanted.items() if var.get(key) != value]


def template_job_and_instance(one: Dashboard) -> list[str]:
    """Both can be chosen, several at a time, all by a pattern that wants a value."""
    wrong = []
    for name, label in (("job", "Job"), ("instance", "Instance")):
        var = variables(one).get(name, {})
        wanted = {
            "type": "query",
            "label": label,
            "datasource": SOURCE,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
        }
        wrong += [f"{name}.{key}" for key, value in wanted.items() if var.get(key) != value]
    return wrong


def template_label_promql(one: Dashboard) -> list[str]:
    """What a variable asks for is a label of a selector that parses."""
    wrong = []
    for var in variables(one).values():
        if var["type"] != "query":
            continue
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", var["query"])
        try:
            promql.parse(asked[1] if asked else "(")
        except ValueError:
            wrong.append(f"{var['name']}: {var['query']}")
    return wrong


def template_on_time_change_reload(one: Dashboard) -> list[str]:
    """Variables are asked anew when the time changes."""
    queried = [var for var in variables(one).values() if var["type"] == "query"]
    return [str(var["name"]) for var in queried if var["refresh"] != 2]


def uneditable(one: Dashboard) -> list[str]:
    """What is changed by hand is lost with the next upgrade."""
    return ["editable"] if one.get("editable", True) else []


def panel_datasource(one: Dashboard) -> list[str]:
    """Panels and queries use the variable."""
    return [p["title"] for p in panels(one) if p["datasource"] != SOURCE] + [
        title for title, target in targets(one) if target["datasource"] != SOURCE
    ]


def panel_title_description(one: Dashboard) -> list[str]:
    """Each panel says what it shows and what to make of it."""
    return [p["title"] for p in panels(one) if not (p.get("title") and p.get("description"))]


def panel_units(one: Dashboard) -> list[str]:
    """Each panel has a unit that Grafana knows."""
    return [p["title"] for p in panels(one) if p["fieldConfig"]["defaults"]["unit"] not in UNITS]


def panel_no_targets(one: Dashboard) -> list[str]:
    """A panel without a query shows nothing."""
    return [p["title"] for p in panels(one) if not p["targets"]]


def target_promql(one: Dashboard) -> list[str]:
    """Every query parses."""
    wrong = []
    for title, target in targets(one):
        try:
            promql.parse(expand(target["expr"]))
        except ValueError as error:
            wrong.append(f"{title}: {error}")
    return wrong


def target_rate_interval(one: Dashboard) -> list[str]:
    """Rates go over Grafana's interval, never over a time that somebody typed."""
    wrong = []
    for title, target in targets(one):
        for node, parent in nodes(target["expr"]):
            if isinstance(node, promql.MatrixSelector):
                allowed = {INTERVAL_S} if parent in {"rate", "irate"} else {INTERVAL_S, RANGE_S}
                if node.range.total_seconds() not in allowed:
                    wrong.append(f"{title}: {node}")
    return wrong


def target_matchers(one: Dashboard) -> list[str]:
    """Every selector obeys what is chosen above."""
    wrong = []
    for title, target in targets(one):
        for node, _ in nodes(target["expr"]):
            if isinstance(node, promql.VectorSelector):
                has = {
                    m.name
                    for m in node.matchers.matchers
                    if m.op == promql.MatchOp.Re and m.value == f"${m.name}"
                }
                if not has >= MATCHERS:
                    wrong.append(f"{title}: {node}")
    return wrong


def target_counter_agg(one: Dashboard) -> list[str]:
    """A counter is shown as its rate or increase, and nothing else is."""
    wrong = []
    for title, target in targets(one):
        for node, parent in nodes(target["expr"]):
            if isinstance(node, promql.VectorSelector):
                is_counter = re.search(r"_(total|count|sum|bucket)$", node.name or "") is not None
                if is_counter != (parent in RATES):
                    wrong.append(f"{title}: {node}")
    return wrong


def target_histogram(one: Dashboard) -> list[str]:
    """A quantile keeps `le`, and is not taken of a sum that lost it."""
    wrong = []
    for title, target in targets(one):
        expr = target["expr"]
        if "histogram_quantile" in expr and not re.search(r"by \(le\b", expr):
            wrong.append(f"{title}: {expr}")
    return wrong


def legends(one: Dashboard) -> list[str]:
    """Labels of a legend are labels of its result, else it is the same for every line."""
    wrong = []
    for title, target in targets(one):
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
        if "by (" in target["expr"] and not named <= kept:
            wrong.append(f"{title}: {named - kept}")
    return wrong


def layout(one: Dashboard) -> list[str]:
    """Panels do not overlap and stay on the page; ids are their own."""
    wrong: list[str] = []
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in one["panels"]]
    if len(set(ids)) != len(ids):
        wrong.append("ids")
    for panel in one["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        if cells & taken or grid["x"] + grid["w"] > 24:
            wrong.append(panel["title"])
        taken |= cells
    return wrong


RULES: tuple[Rule, ...] = (
    template_datasource,
    template_job_and_instance,
    template_label_promql,
    template_on_time_change_reload,
    uneditable,
    panel_datasource,
    panel_title_description,
    panel_units,
    panel_no_targets,
    target_promql,
    target_rate_interval,
    target_matchers,
    target_counter_agg,
    target_histogram,
    legends,
    layout,
)
