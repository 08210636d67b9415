"""The deliverer's settings, as the environment gives them."""

import pytest

from chassis.settings import SettingsError, load
from deliverer.settings import DelivererSettings

NEEDED = {
    "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
    "HOOKLANE_VAULT__KEYS": "k1:" + "A" * 43 + "=",
}


def test_the_defaults_are_the_contracts() -> None:
    """CONTRACT §2 names them."""
    settings = load(DelivererSettings, NEEDED)

    limits = settings.deliverer
    assert settings.admin.port == 9103
    assert (limits.max_in_flight, limits.buffer_bytes, limits.drain_s) == (1000, 100663296, 3)
    breaker = settings.breaker
    assert (breaker.failures, breaker.probe_s, breaker.probe_max_s) == (10, 30, 900)
    assert (settings.egress.allow_http, settings.egress.allow_cidrs) == (False, ())


def test_a_vault_key_is_needed() -> None:
    """Without one no endpoint can be opened, so there is nothing to start for."""
    with pytest.raises(SettingsError) as refused:
        load(DelivererSettings, {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092"})

    assert any("HOOKLANE_VAULT__KEYS" in problem for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_IN_FLIGHT", "0"), ("BUFFER_BYTES", "1000"), ("DRAIN_S", "60"), ("UNKNOWN", "1")],
)
def test_values_outside_their_bounds_are_refused(name: str, value: str) -> None:
    """The line names the variable."""
    with pytest.raises(SettingsError) as refused:
        load(DelivererSettings, NEEDED | {f"HOOKLANE_DELIVERER__{name}": value})

    assert any(name in problem for problem in refused.value.problems)


@pytest.mark.parametrize(
    "values",
    [{"FAILURES": "0"}, {"PROBE_S": "0"}, {"PROBE_S": "60", "PROBE_MAX_S": "30"}],
)
def test_a_breaker_that_cannot_work_is_refused(values: dict[str, str]) -> None:
    """It would open at once, probe without pause, or ever faster."""
    environment = {f"HOOKLANE_BREAKER__{name}": value for name, value in values.items()}

    with pytest.raises(SettingsError):
        load(DelivererSettings, NEEDED | environment)
