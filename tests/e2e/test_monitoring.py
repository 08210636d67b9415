"""What operators see of real services: metrics, panels and rules in a real Prometheus."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hooklane.instruments import PREFIX, instruments_of
from tests.e2e.monitoring import PrometheusServer, Traffic, filled_in, has_data, server
from tests.e2e.receiver import Receiver
from tests.e2e.stack import SERVICES, Service, Stack, eventually
from tests.promtool import Promtool, tools_or_skip
from tools.dashboards.emit import DASHBOARDS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@pytest.fixture
async def prometheus(tmp_path: Path) -> AsyncIterator[PrometheusServer]:
    """Give a server that is not started."""
    made = server(tools_or_skip().prometheus, tmp_path / "prometheus")
    yield made
    await made.stop()


async def _page(stack: Stack, service: Service) -> str:
    url = f"http://127.0.0.1:{service.admin_port}/metrics"
    async with stack.session.get(url) as answer:
        return await answer.text()


@pytest.fixture
def documented() -> dict[str, dict[str, int]]:
    """Give what docs/metrics.md says: the series of each metric of each service."""
    return {name: {one.name: one.series for one in instruments_of(name)} for name in SERVICES}


def _shown(text: str) -> dict[str, int]:
    """Count the series of each of our metrics on a page."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): len(family.samples)
        for family in text_string_to_metric_families(text)
        if family.name.startswith(PREFIX)
    }


async def _dead_panels(prometheus: PrometheusServer) -> list[str]:
    """List the queries of all dashboards that give no number."""
    end = await prometheus.now_s()
    dead = []
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard.panels:
            for target in panel.targets:
                expr = filled_in(target.expr, interval_s=10, range_s=30)
                found = (
                    await prometheus.value(expr)
                    if panel.kind == "stat"
                    else await prometheus.values(expr, start=end - 8, end=end)
                )
                if not has_data(found):
                    dead.append(f"{name}: {panel.title}: {target.expr}")
    return dead


async def _sick_rules(prometheus: PrometheusServer) -> list[str]:
    groups = (await prometheus.ask("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 50
    return [f"{one['name']}: {one.get('lastError')}" for one in rules if one["health"] != "ok"]


async def _firing(prometheus: PrometheusServer) -> set[str]:
    found = await prometheus.value('ALERTS{alertstate="firing"}')
    return {labels["alertname"] for labels, _ in found}


async def test_every_panel_and_rule_works_on_real_services(
    stack: Stack,
    receiver: Receiver,
    prometheus: PrometheusServer,
    documented: dict[str, dict[str, int]],
) -> None:
    """One stack under mixed traffic: pages are valid and documented, no panel is empty, rules run.

    Nothing fires that should not: the traffic has failing receivers, and none of it is ours but a
    record that breaks its contract.
    """
    services = await stack.start()
    traffic = Traffic(stack, receiver)
    await traffic.subscribe()
    await prometheus.start(services)

    await traffic.run(per_s=60, seconds=6)
    await traffic.quarantine_one()  # after the first scrape: an increase needs a value before it
    await traffic.run(per_s=60, seconds=6)

    assert await _dead_panels(prometheus) == []
    assert await _sick_rules(prometheus) == []
    for name, service in zip(SERVICES, services, strict=True):
        text = await _page(stack, service)
        code, said = Promtool(tools_or_skip().promtool).run("check", "metrics", given=text)
        assert (code, said) == (0, ""), name
        assert _shown(text) == documented[name]

    async def is_told() -> bool:
        return "HooklaneQuarantine" in await _firing(prometheus)

    await eventually(is_told, within_s=20, what="the alert on the quarantined record")
    assert await _firing(prometheus) == {"HooklaneQuarantine"}
    assert has_data(await prometheus.value("hooklane:backlog:seconds"))
    assert has_data(await prometheus.value("hooklane:first_attempt_late:ratio_rate5m"))
