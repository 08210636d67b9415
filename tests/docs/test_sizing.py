"""docs/operations.md counts with what was measured last."""

import json
import math
import re

import pytest
import yaml

from bench.report import short
from fanout.settings import FanoutLimits
from tests.docs.snippets import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
FIGURES = json.loads((ROOT / "bench" / "results.json").read_text())["figures"]
ROW = re.compile(r"^\| `([A-Z])` \| ([^|]+) \| ([\d.,]+) [^|]+\|", re.MULTILINE)
YOURS = re.compile(r"^\| `([A-Za-z])` [^|]+\| yours \| ([\d.,]+) \|", re.MULTILINE)
CORES = re.compile(r"^\| (\S+) cores[^|]*\| `([^`]+)`[^|]*\| ([\d.]+) \|", re.MULTILINE)


MEMORY = re.compile(r"^\| (?:memory of a fan-out|…)[^|]*\| `[^`]+` \| (\d+) MiB \|", re.MULTILINE)
MIB = 1_048_576


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


def test_the_memory_of_a_fan_out_counts_its_windows() -> None:
    """All lie in the process that is left; as large as they get, the chart's limit holds."""
    limits = FanoutLimits()
    yours = {symbol: number(value) for symbol, value in YOURS.findall(PAGE)}
    said = FanoutLimits.model_fields["dedupe_events"].description or ""
    each = int(re.findall(r"about (\d+) bytes each", said)[0])
    base, registry = 78, yours["N"] * 1064 / MIB
    full = limits.dedupe_events * each / MIB
    usual = min(limits.dedupe_events, limits.dedupe_bytes / yours["b"]) * each / MIB

    shown = [round(base + registry + 12 * window) for window in (usual, full)]
    assert [int(row) for row in MEMORY.findall(PAGE)] == shown
    assert f"so a full one {full:.0f} MiB" in PAGE
    assert "| fan-out | 1,064 bytes, 78 MiB |" in PAGE
    values = yaml.safe_load((ROOT / "helm" / "hooklane" / "values.yaml").read_text())
    assert values["topics"]["partitions"] == 12
    assert shown[1] < int(values["fanout"]["resources"]["limits"]["memory"].removesuffix("Mi"))
