"""What is generated in the chart is what its typed source says, and covers every setting."""

import json
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from chassis.egress import is_public
from chassis.settings import variables
from tests.chart.rendering import CHART
from tools.chart.emit import generated
from tools.chart.settings_values import OF_THE_CHART, SERVICES
from tools.chart.values import ChartValues, DelivererPolicy, SettingsValues

ROOT = CHART.parents[1]


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    """After a change in tools/chart, in a service's settings or the topics: `make generate`."""
    assert path.read_text(encoding="utf-8") == generated()[path], "run: make generate"


def _undescribed(model: type[BaseModel], path: str = "") -> list[str]:
    found = []
    for name, info in model.model_fields.items():
        if not info.description:
            found.append(f"{path}{name}")
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += _undescribed(info.annotation, f"{path}{name}.")
    return found


def test_every_value_is_explained() -> None:
    """The table and values.yaml are all the reference a user of a chart reads."""
    assert _undescribed(ChartValues) == []


def test_the_default_values_obey_their_own_types() -> None:
    """values.yaml, read back, is the model's default."""
    read = yaml.safe_load((CHART / "values.yaml").read_text())

    assert ChartValues.model_validate(read).model_dump() == ChartValues().model_dump()


def test_every_setting_of_every_service_can_be_given() -> None:
    """What the chart does not set itself is a value below `settings`, save secrets."""
    missing = []
    for service in SERVICES:
        for variable in variables(service):
            block = SettingsValues.model_fields.get(variable.section)
            fields = getattr(getattr(block, "annotation", None), "model_fields", {})
            is_secret = "SecretStr" in repr(variable.info.annotation)
            is_own = variable.section in OF_THE_CHART or variable.name in {
                "HOOKLANE_GATEWAY__HOST",
                "HOOKLANE_GATEWAY__PORT",
            }
            if not is_own and not is_secret and variable.field not in fields:
                missing.append(variable.name)

    assert missing == []


def test_chart_and_product_have_one_version() -> None:
    """The default tag of the image is the chart's appVersion."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert chart["appVersion"] == project["version"]
    assert chart["name"] == project["name"]


def test_the_schema_refuses_what_it_does_not_know_at_every_level() -> None:
    """An object with named fields admits no others; maps with free keys say what they hold."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    blocks = {"": schema, **schema["$defs"]}
    assert blocks.pop("JsonValue") == {}  # a piece of Kubernetes' own types, checked by Kubernetes

    assert len(blocks) > 20
    assert [
        name for name, one in blocks.items() if one.get("additionalProperties") is not False
    ] == []


def test_the_network_policy_leaves_out_what_the_deliverer_refuses() -> None:
    """The second fence stands where the first one does: same ranges, all of them not public."""
    policy = DelivererPolicy()
    networks = [ip_network(one) for one in (*policy.except_cidrs, *policy.except_ipv6_cidrs)]

    assert [one for one in networks if is_public(one[0]) or is_public(one[-1])] == []
    for text in ("10.1.2.3", "169.254.169.254", "100.100.100.200", "168.63.129.16", "2001:db8::1"):
        assert any(
            ip_address(text) in one for one in networks if one.version == ip_address(text).version
        )
    assert all(one.subnet_of(ip_network("2000::/3")) for one in networks if one.version == 6)  # type: ignore[arg-type]
