"""Dockerfile and compose file hang together; no container engine is needed to see that."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis import settings
from chassis.egress import AdmittedUrl, EgressPolicy, admit_url
from chassis.vault import parse_keys
from hooklane import cli, signature
from hooklane.settings_docs import MODELS

ROOT = Path(__file__).parents[3]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = ("topics", "gateway", "fanout", "deliverer", "receiver")
SERVING = ("kafka", "gateway", "fanout", "deliverer", "receiver")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Give the parsed file, anchors and merges resolved."""
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
    return parsed


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """Fill `${NAME:-default}` with its default, as an empty shell would."""
    return {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        for name, text in service["environment"].items()
    }


def commands() -> Iterator[str]:
    """Give every command of the command line."""
    yield from cli.commands.commands


def test_everything_of_the_pipeline_is_there(compose: dict[str, Any]) -> None:
    """Broker, topics, three services, receiver."""
    assert set(compose["services"]) == {"kafka", *OURS}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(compose: dict[str, Any], name: str) -> None:
    """Read-only root, no capabilities, no new privileges, our image."""
    service = compose["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"] == "."


@pytest.mark.parametrize("name", OURS)
def test_commands_exist(compose: dict[str, Any], name: str) -> None:
    """Each container runs a command that the command line has."""
    assert compose["services"][name]["command"][0] in set(commands())


@pytest.mark.parametrize("name", SERVING)
def test_what_serves_has_a_health_check(compose: dict[str, Any], name: str) -> None:
    """Each asks its own process."""
    check = compose["services"][name]["healthcheck"]

    assert check["test"][0] == "CMD"
    assert check["retries"] > 0


@pytest.mark.parametrize(("name", "model"), MODELS.items())
def test_settings_are_accepted(compose: dict[str, Any], name: str, model: Any) -> None:
    """Each service loads this environment, and its probe asks the port it then has."""
    service = compose["services"][name]

    loaded = settings.load(model, environment_of(service))

    assert f"127.0.0.1:{loaded.admin.port}/readyz" in service["healthcheck"]["test"][-1]
    grace_s = int(service["stop_grace_period"].removesuffix("s"))
    assert grace_s >= loaded.lifecycle.shutdown_s + 5


def test_services_start_after_the_topics(compose: dict[str, Any]) -> None:
    """Kafka is healthy, then topics are made, then services start."""
    services = compose["services"]

    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in MODELS:
        wanted = {"topics": {"condition": "service_completed_successfully"}}
        assert services[name]["depends_on"] == wanted


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    """The demo has a key that everybody knows."""
    ports = [port for s in compose["services"].values() for port in s.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_demo_url_of_the_comment_is_admitted(compose: dict[str, Any]) -> None:
    """The receiver's name passes the URL rules and its address the egress rules."""
    environment = environment_of(compose["services"]["gateway"])
    policy = EgressPolicy.of(
        allow_http=True, allow_cidrs=[environment["HOOKLANE_EGRESS__ALLOW_CIDRS"]]
    )
    network = compose["services"]["receiver"]["networks"]["hooklane"]
    url = f"http://{network['aliases'][0]}:8090/hooks"

    assert url in COMPOSE_TEXT
    assert isinstance(admit_url(url, policy), AdmittedUrl)
    assert environment["HOOKLANE_EGRESS__ALLOW_CIDRS"] == f"{network['ipv4_address']}/32"


def test_the_demo_keys_are_valid(compose: dict[str, Any]) -> None:
    """Keys and secret have the lengths that are asked for and are those of the comment."""
    environment = environment_of(compose["services"]["gateway"])
    secret = compose["services"]["receiver"]["command"][-1]

    assert signature.secret_bytes(secret)
    assert parse_keys([environment["HOOKLANE_VAULT__KEYS"]])
    assert len(environment["HOOKLANE_AUTH__ROOT_KEY"]) >= 32
    assert f"Bearer {environment['HOOKLANE_AUTH__ROOT_KEY']}'" in COMPOSE_TEXT
    assert f'"secret": "{secret}"' in COMPOSE_TEXT


def test_the_image_runs_without_root() -> None:
    """A numeric user (Kubernetes checks runAsNonRoot by number) and our command as entry point."""
    last_stage = DOCKERFILE.rpartition("FROM ")[2]

    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last_stage, re.MULTILINE)
    assert 'ENTRYPOINT ["hooklane"]' in last_stage
    assert "-c constraints.txt" in DOCKERFILE


def test_the_build_context_has_every_package() -> None:
    """A package left out of .dockerignore's list would be missing in the image."""
    listed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.search(r"^packages = \[([^\]]+)\]", project, re.MULTILINE)
    assert packages

    for name in re.findall(r'"(\w+)"', packages.group(1)):
        assert f"!{name}" in listed
