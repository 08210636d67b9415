"""Turn a dashboard into Grafana's JSON (schema 39, Grafana 10.4 and later); pure."""

from collections.abc import Iterator

from tools.dashboards.model import (
    DATASOURCE,
    HEIGHT,
    STAT_HEIGHT,
    WIDTH,
    Dashboard,
    Json,
    Panel,
    Row,
    Target,
)

SCHEMA_VERSION = 39
ALL: Json = {"selected": True, "text": "All", "value": "$__all"}
BUILD = "hooklane_build_info"


def dashboard_json(made: Dashboard) -> Json:
    """Return the whole document."""
    return {
        "uid": made.uid,
        "title": made.title,
        "description": made.description,
        "tags": ["hooklane"],
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "links": [_link()],
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": list(_panels(made.rows)),
    }


def _link() -> Json:
    """The other dashboards, with the same time and choice."""
    return {
        "title": "hooklane",
        "type": "dashboards",
        "tags": ["hooklane"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _variables() -> list[Json]:
    source: Json = {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {"selected": False, "text": "default", "value": "default"},
        "refresh": 1,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }
    namespace = _query_variable("namespace", "Namespace", f"label_values({BUILD}, namespace)", ".*")
    job = _query_variable(
        "job", "Job", f'label_values({BUILD}{{namespace=~"$namespace"}}, job)', ".+"
    )
    instance = _query_variable(
        "instance",
        "Instance",
        f'label_values({BUILD}{{namespace=~"$namespace",job=~"$job"}}, instance)',
        ".+",
    )
    return [source, namespace, job, instance]


def _query_variable(name: str, label: str, query: str, everything: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": query,
        "refresh": 2,
        "includeAll": True,
        "allValue": everything,
        "multi": True,
        "current": ALL,
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[Json]:
    number, y = 0, 0
    for row in rows:
        number += 1
        yield {
            "type": "row",
            "id": number,
            "title": row.title,
            "collapsed": False,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            "panels": [],
        }
        y += 1
        width = WIDTH // row.columns
        height = STAT_HEIGHT if all(one.kind == "stat" for one in row.panels) else HEIGHT
        for place, panel in enumerate(row.panels):
            number += 1
            line, column = divmod(place, row.columns)
            grid: Json = {"h": height, "w": width, "x": column * width, "y": y + line * height}
            yield _panel(panel, number, grid)
        y += height * -(-len(row.panels) // row.columns)


def _panel(panel: Panel, number: int, grid: Json) -> Json:
    return {
        "type": panel.kind,
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": grid,
        "targets": [_target(one, panel, place) for place, one in enumerate(panel.targets)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind](panel),
    }


def _target(target: Target, panel: Panel, place: int) -> Json:
    is_stat = panel.kind == "stat"
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATASOURCE,
        "expr": target.expr,
        "legendFormat": target.legend or "__auto",
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "instant": is_stat,
        "range": not is_stat,
        "editorMode": "code",
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"color": colour, "value": value} for value, colour in panel.thresholds]
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": {},
    }
    if panel.kind == "timeseries":
        defaults["min"] = 0
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.is_stacked else 0,
            "showPoints": "never",
            "stacking": {"group": "A", "mode": "normal" if panel.is_stacked else "none"},
        }
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    return defaults


def _timeseries(_panel: Panel) -> Json:
    return {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _stat(_panel: Panel) -> Json:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "textMode": "auto",
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }


def _heatmap(panel: Panel) -> Json:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "exponent": 0.5,
            "fill": "dark-orange",
            "reverse": False,
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


_OPTIONS = {"timeseries": _timeseries, "stat": _stat, "heatmap": _heatmap}
