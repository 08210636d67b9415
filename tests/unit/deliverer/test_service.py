"""The composition root."""

import pytest

from chassis.admin import AdminServer
from chassis.metrics import make_registry
from chassis.preconditions import Preconditions
from chassis.settings import load
from deliverer.components import Membership
from deliverer.metrics import DelivererMetrics
from deliverer.service import build, group_of, limits_of, main
from deliverer.settings import DelivererSettings
from schemas.topics import TIERS

NEEDED = {
    "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "HOOKLANE_VAULT__KEYS": "k1:" + "A" * 43 + "=",
    "HOOKLANE_ADMIN__PORT": "0",
}


async def test_probes_start_first_and_intake_last() -> None:
    """Start order is the order of dependency; nothing passes the preconditions."""
    components = await build(load(DelivererSettings, NEEDED))

    kinds = [type(component) for component in components]
    assert kinds[0] is AdminServer
    assert kinds[2] is Preconditions
    assert kinds[-1] is Membership
    for component in reversed(components):
        await component.stop()


def test_the_group_bears_the_prefix() -> None:
    """Two deployments on one Kafka do not meet."""
    settings = load(DelivererSettings, NEEDED | {"HOOKLANE_TOPICS__PREFIX": "shop"})

    assert group_of(settings) == "shop-deliverer"


@pytest.mark.parametrize("partitions", [1, 12, 150])
def test_the_shares_of_all_partitions_are_the_budget(partitions: int) -> None:
    """Also when one process owns every partition; the delay topics have half of each share."""
    settings = load(DelivererSettings, NEEDED | {"HOOKLANE_TOPICS__PARTITIONS": str(partitions)})

    limits = limits_of(settings)

    delayed = limits.rest_heap_bytes + len(TIERS) * limits.tier_ahead_bytes
    assert partitions * limits.buffer_bytes <= settings.deliverer.buffer_bytes
    assert delayed <= limits.buffer_bytes / 2


def test_the_breaker_is_what_the_settings_say() -> None:
    """Seconds become milliseconds."""
    variables = {"FAILURES": "3", "PROBE_S": "0.5", "PROBE_MAX_S": "60"}
    environment = {f"HOOKLANE_BREAKER__{name}": value for name, value in variables.items()}

    limits = limits_of(load(DelivererSettings, NEEDED | environment))

    assert (limits.breaker_failures, limits.probe_ms, limits.probe_max_ms) == (3, 500, 60_000)


def test_the_rest_of_the_sweep_is_what_the_settings_say() -> None:
    """Seconds become milliseconds."""
    environment = {"HOOKLANE_DELIVERER__SWEEP_REST_S": "0.25"}

    limits = limits_of(load(DelivererSettings, NEEDED | environment))

    assert limits.sweep_rest_ms == 250


def test_records_that_a_running_partition_lost_are_counted() -> None:
    """By the name on which the alarm stands."""
    instruments = make_registry("deliverer")

    DelivererMetrics(instruments).ownership.on_records_lost(7)

    assert instruments.get_sample_value("hooklane_records_lost_total", {"kind": "deliveries"}) == 7


def test_the_command_knows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` answers without settings or Kafka."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert "hooklane" in capsys.readouterr().out
