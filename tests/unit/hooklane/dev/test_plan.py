"""The development stack's environment and commands."""

import shlex
import sys

import pytest

from hooklane.dev.plan import (
    SERVICES,
    StackPlan,
    curl_line,
    service_command,
    service_environment,
)

PLAN = StackPlan(
    bootstrap_servers="127.0.0.1:9",
    prefix="p",
    gateway_port=8080,
    admin_ports={"gateway": 1, "fanout": 2, "deliverer": 3},
    root_key="r" * 43,
    vault_key="dev:AAAA",
)


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_bound_to_the_stack(service: str) -> None:
    """Kafka, keys and ports are the run's own, whatever the user's environment says."""
    inherited = {
        "PATH": "/bin",
        "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "elsewhere:1",
        "HOOKLANE_AUTH__ROOT_KEY": "other",
        "HOOKLANE_ADMIN__PORT": "9999",
    }

    made = service_environment(inherited, PLAN, service)

    assert made["HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"] == "127.0.0.1:9"
    assert made["HOOKLANE_ADMIN__PORT"] == str(PLAN.admin_ports[service])
    assert made["HOOKLANE_AUTH__ROOT_KEY"] == PLAN.root_key
    assert made["HOOKLANE_GATEWAY__HOST"] == made["HOOKLANE_ADMIN__HOST"] == "127.0.0.1"
    assert made["PATH"] == "/bin"


def test_the_user_may_tune() -> None:
    """What is only a default of the demo gives way to the user's setting."""
    tuned = {"HOOKLANE_TOPICS__PARTITIONS": "2", "HOOKLANE_LOG__LEVEL": "debug"}

    made = service_environment(tuned, PLAN, "fanout")

    assert made["HOOKLANE_TOPICS__PARTITIONS"] == "2"
    assert made["HOOKLANE_LOG__LEVEL"] == "debug"
    assert made["HOOKLANE_TOPICS__REPLICATION_FACTOR"] == "1"


def test_a_change_is_written_as_soon_as_anywhere() -> None:
    """The demo waits for a fresh broker beforehand, so the bound of 2 s holds here, too."""
    made = service_environment({}, PLAN, "gateway")

    assert not [name for name in made if name.startswith("HOOKLANE_REGISTRY__")]


def test_only_loopback_is_opened_to_deliveries() -> None:
    """The demo's receiver is reachable by http; no other private address is."""
    made = service_environment({}, PLAN, "deliverer")

    assert made["HOOKLANE_EGRESS__ALLOW_HTTP"] == "true"
    assert made["HOOKLANE_EGRESS__ALLOW_CIDRS"] == "127.0.0.1/32"


def test_services_run_in_this_python() -> None:
    """The same interpreter, and never a module of the current folder."""
    assert service_command("fanout") == [sys.executable, "-P", "-m", "fanout"]


def test_the_curl_line_can_be_pasted() -> None:
    """A shell reads URL, key and JSON as one argument each."""
    words = shlex.split(curl_line(PLAN, "acme"))

    assert "http://127.0.0.1:8080/v1/events" in words
    assert f"authorization: Bearer {PLAN.root_key}" in words
    assert words[-1].startswith('{"subscriber": "acme"')
