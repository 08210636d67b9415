"""Pictures of panels for the documents."""

import math
from xml.etree import ElementTree

import pytest

from tools.dashboards.emit import DASHBOARDS
from tools.dashboards.plot import Line, Span, cells, format_value, nice_ceiling, page, stack

NAN = math.nan
SPAN = Span(0, 60)


def _lines(name: str) -> list[Line]:
    return [
        Line(name, [(0, 1.0), (30, NAN), (60, 3.0)]),
        Line("other <&>", [(0, 0.0), (30, 2.0), (60, NAN)]),
    ]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_dashboard_becomes_one_well_formed_page(name: str) -> None:
    """Each panel by its title, gaps and odd names and empty panels included."""
    dashboard = DASHBOARDS[name]
    data = {
        panel.title: _lines("0.5") if panel.kind != "heatmap" else [Line("0.5", [(0, 1.0)])]
        for panel in dashboard.panels[1:]
    }

    text = page(dashboard, data, span=SPAN, caption="a test")

    ElementTree.fromstring(text)
    assert all(panel.title.split(":")[0] in text for panel in dashboard.panels)
    assert "a test" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_stacked_lines_stand_on_one_another() -> None:
    """A gap adds nothing."""
    assert stack(_lines("a")) == [
        [(0, 1.0), (30, 0.0), (60, 3.0)],
        [(0, 1.0), (30, 2.0), (60, 3.0)],
    ]


def test_buckets_are_taken_apart() -> None:
    """Cumulative ones become what each holds alone, in order of their bounds."""
    found = cells([Line("+Inf", [(0, 9.0)]), Line("0.1", [(0, 4.0)]), Line("1.0", [(0, 9.0)])])

    assert [(line.name, line.points) for line in found] == [
        ("0.1", [(0, 4.0)]),
        ("1.0", [(0, 5.0)]),
        ("+Inf", [(0, 0.0)]),
    ]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.25, "s", "250 ms"),
        (90, "s", "90 s"),
        (0.9995, "percentunit", "99.95 %"),
        (3, "cps", "3/s"),
        (104_857_600, "bytes", "100 MiB"),
        (NAN, "short", "no data"),
    ],
)
def test_values_are_written_with_their_unit(value: float, unit: str, text: str) -> None:
    """As a person would."""
    assert format_value(value, unit) == text


@pytest.mark.parametrize(("value", "top"), [(0, 1), (7, 10), (0.03, 0.05), (250, 250), (2.1, 2.5)])
def test_axes_end_at_a_round_number(value: float, top: float) -> None:
    """Never at 3.7192."""
    assert nice_ceiling(value) == pytest.approx(top)
