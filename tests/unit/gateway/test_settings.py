"""The settings of the gateway."""

import base64

import pytest

from chassis.settings import SettingsError, describe, load
from gateway.settings import GatewaySettings

GOOD = {
    "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "HOOKLANE_AUTH__ROOT_KEY": "r" * 32,
    "HOOKLANE_VAULT__KEYS": "k1:" + base64.b64encode(b"v" * 32).decode(),
}


def problems_of(**environ: str | None) -> list[str]:
    """Give the lines with which an environment is refused."""
    given = {name: value for name, value in {**GOOD, **environ}.items() if value is not None}
    with pytest.raises(SettingsError) as refused:
        load(GatewaySettings, given)
    return refused.value.problems


def test_the_defaults_are_those_of_the_contract() -> None:
    """Three variables are enough to start."""
    settings = load(GatewaySettings, GOOD)

    http = settings.gateway
    assert (http.port, settings.admin.port) == (8080, 9101)
    assert (http.max_event_bytes, http.max_body_bytes) == (262_144, 8_388_608)
    assert (http.body_timeout_s, http.keepalive_s, http.produce_deadline_s) == (10, 15, 4.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOOKLANE_AUTH__ROOT_KEY", None),
        ("HOOKLANE_AUTH__ROOT_KEY", "s" * 31),
        ("HOOKLANE_VAULT__KEYS", None),
        ("HOOKLANE_VAULT__KEYS", "k1:short"),
        ("HOOKLANE_GATEWAY__MAX_EVENT_BYTES", "262145"),
        ("HOOKLANE_EGRESS__ALLOW_CIDRS", "10.0.0.1/8"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(name: str, value: str | None) -> None:
    """And never the value, which may be a secret."""
    problems = problems_of(**{name: value})

    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: ")
    assert value is None or value not in problems[0]


def test_secrets_are_masked_when_settings_are_shown() -> None:
    """`--check-config` ends up in tickets."""
    shown = repr(describe(load(GatewaySettings, GOOD)))

    assert GOOD["HOOKLANE_AUTH__ROOT_KEY"] not in shown
    assert GOOD["HOOKLANE_VAULT__KEYS"].partition(":")[2] not in shown
