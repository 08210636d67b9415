"""docs/operations.md counts with what was measured last."""

import json
import math
import re

import pytest

from bench.report import short
from tests.docs.snippets import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
FIGURES = json.loads((ROOT / "bench" / "results.json").read_text())["figures"]
ROW = re.compile(r"^\| `([A-Z])` \| ([^|]+) \| ([\d.,]+) [^|]+\|", re.MULTILINE)
YOURS = re.compile(r"^\| `([A-Za-z])` [^|]+\| yours \| ([\d.,]+) \|", re.MULTILINE)
CORES = re.compile(r"^\| (\S+) cores[^|]*\| `([^`]+)`[^|]*\| ([\d.]+) \|", re.MULTILINE)


def number(text: str) -> float:
    """Read a number with commas."""
    return float(text.replace(",", ""))


def medians() -> dict[str, float]:
    """Give the medians of the last whole run; parts of a pipeline by its name, too."""
    found, whole = {}, ""
    for one in FIGURES:
        name = one["name"]
        if name.startswith("  of it "):
            name = f"{whole}, {name.removeprefix('  of it ')}"
        else:
            whole = name
        found[name] = one["median"]
    return found


MEASURED = medians()
NAMES = {
    "G": "gateway, single events",
    "B": "gateway, batches of 500",
    "F": "fan-out, 1 subscription per event",
    "W": "fan-out, 10 subscriptions per event",
    "A": "deliverer, 1 partition",
    "P": "deliverer, 4 partitions",
    "K": "pipeline, 1 subscription per event, Kafka",
    "L": "pipeline, 10 subscriptions per event, Kafka",
}


@pytest.mark.parametrize(("symbol", "name"), NAMES.items())
def test_the_table_shows_the_last_whole_run(symbol: str, name: str) -> None:
    """After `make bench`: write its medians down there."""
    shown = {row[0]: row[2] for row in ROW.findall(PAGE)}

    assert shown[symbol] == short(MEASURED[name])


def test_the_example_follows_from_the_table() -> None:
    """Cores to one decimal, twice that in processes."""
    values = {symbol: number(short(MEASURED[name])) for symbol, name in NAMES.items()}
    values |= {symbol: number(value) for symbol, value in YOURS.findall(PAGE)}
    values["D"] = values["E"] * values["S"]
    cores = {}
    for service, formula, shown in CORES.findall(PAGE):
        rate, sign, by = formula.removesuffix(" / 1,000").split()
        value = values[rate] / values[by] if sign == "/" else values[rate] * values[by] / 1000
        cores[service] = value
        assert shown == f"{value:.1f}", service

    assert list(cores) == ["gateway", "fan-out", "deliverer", "Kafka"]
    processes = ", ".join(str(max(2, math.ceil(2 * one))) for one in list(cores.values())[:3])
    assert f"| processes of each | `2 · cores`, rounded up, at least 2 | {processes} |" in PAGE
