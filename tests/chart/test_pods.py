"""What holds for every pod of every example: security, probes, and settings the services accept."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from chassis.settings import load
from deliverer.settings import DelivererSettings
from fanout.settings import FanoutSettings
from gateway.settings import GatewaySettings
from hooklane.topics_command import TopicsCommandSettings
from tests.chart.rendering import (
    CHART,
    CI,
    Helm,
    Object,
    at,
    component_of,
    containers,
    listed,
    of_kind,
    pods,
    some,
)

MODELS: Mapping[str, type[BaseModel]] = {
    "gateway": GatewaySettings,
    "fanout": FanoutSettings,
    "deliverer": DelivererSettings,
    "topics": TopicsCommandSettings,
}
OURS = {*MODELS, "smoke"}
SECRETS = {
    "HOOKLANE_AUTH__ROOT_KEY": "a-root-key-of-at-least-32-characters",
    "HOOKLANE_VAULT__KEYS": "a:" + base64.b64encode(bytes(32)).decode(),
    "HOOKLANE_KAFKA__SASL_USERNAME": "user",
    "HOOKLANE_KAFKA__SASL_PASSWORD": "password",
}
"""What the Secrets hold that a cluster would have; the names of variables, not of keys."""


def _case(path: Path) -> str:
    return path.stem.removesuffix("-values")


@pytest.mark.parametrize("values", CI, ids=_case)
def test_every_container_meets_the_restricted_standard(helm: Helm, values: Path) -> None:
    """Pod Security Standards, level restricted, plus a read-only root for our own image."""
    objects = helm.render_file(values)
    wrong = []
    for maker, pod in pods(objects):
        whole = some(pod, "spec.securityContext")
        for one in containers(pod):
            own = some(one, "securityContext")
            both = {**whole, **own}
            rules = {
                "runAsNonRoot": both.get("runAsNonRoot") is True,
                "runAsUser": both.get("runAsUser") != 0,
                "seccomp": at(both, "seccompProfile.type") == "RuntimeDefault",
                "escalation": own.get("allowPrivilegeEscalation") is False,
                "drop": at(own, "capabilities.drop") == ["ALL"],
                "add": not at(own, "capabilities.add"),
                "privileged": not own.get("privileged"),
                "read-only": one["name"] not in OURS or own.get("readOnlyRootFilesystem") is True,
            }
            wrong += [
                f"{maker} {one['name']}: {rule}" for rule, holds in rules.items() if not holds
            ]
        wrong += [
            f"{maker} {volume['name']}"
            for volume in listed(pod, "spec.volumes")
            if not {"configMap", "secret", "emptyDir"} & set(volume)
        ]
        wrong += [f"{maker}: {key}" for key in some(pod, "spec") if key.startswith("host")]

    assert list(pods(objects))
    assert wrong == []


@pytest.mark.parametrize("values", CI, ids=_case)
def test_no_pod_gets_service_links_or_a_token(helm: Helm, values: Path) -> None:
    """Links would be HOOKLANE_* variables that no service knows; nothing talks to Kubernetes."""
    for _, pod in pods(helm.render_file(values)):
        assert at(pod, "spec.enableServiceLinks") is False
        assert at(pod, "spec.automountServiceAccountToken") is False
        assert at(pod, "spec.serviceAccountName")


@pytest.mark.parametrize("values", CI, ids=_case)
def test_every_container_of_ours_reserves_and_bounds_memory(helm: Helm, values: Path) -> None:
    """Without a request a pod is the first to go; without a limit it may take the node along."""
    for maker, pod in pods(helm.render_file(values)):
        for one in containers(pod):
            if one["name"] in OURS:
                assert at(one, "resources.requests.memory"), maker
                assert at(one, "resources.requests.cpu"), maker
                assert at(one, "resources.limits.memory"), maker


def _environment(objects: list[Object], container: Object, folder: Path) -> dict[str, str]:
    """Return what the container would see, with stand-ins for Secrets and their files."""
    found: dict[str, str] = {}
    configs = of_kind(objects, "ConfigMap")
    for source in listed(container, "envFrom"):
        if name := at(source, "configMapRef.name"):
            found |= {key: str(text) for key, text in some(configs[str(name)], "data").items()}
    for one in listed(container, "env"):
        name = str(one["name"])
        found[name] = str(one["value"]) if "value" in one else SECRETS[name]
    mounts = [str(one["mountPath"]) for one in listed(container, "volumeMounts")]
    for name, text in found.items():
        if name.endswith(("FILE", "_FILE")) and text.startswith("/etc/hooklane/"):
            assert any(text.startswith(f"{mount}/") for mount in mounts), f"{name} is not mounted"
            stand_in = folder / text.replace("/", "_")
            stand_in.touch()
            found[name] = str(stand_in)
    return found


@pytest.mark.parametrize("values", CI, ids=_case)
def test_the_services_accept_what_the_pods_give_them(
    helm: Helm, values: Path, tmp_path: Path
) -> None:
    """Every variable is known to a service and every value is one it takes: no pod exits with 4."""
    objects = helm.render_file(values)
    seen = set()
    for _, pod in pods(objects):
        for container in containers(pod):
            model = MODELS.get(str(container["name"]))
            if model is not None:
                load(model, _environment(objects, container, tmp_path))
                seen.add(container["name"])

    assert seen


@pytest.mark.parametrize("values", CI, ids=_case)
def test_no_variable_is_listed_twice(helm: Helm, values: Path) -> None:
    """A server-side apply, Helm 4's default, refuses a list with two entries of one name."""
    for maker, pod in pods(helm.render_file(values)):
        for one in containers(pod):
            names = [entry["name"] for entry in listed(one, "env")]
            assert len(names) == len(set(names)), maker


@pytest.mark.parametrize("values", CI, ids=_case)
def test_secrets_come_from_secrets(helm: Helm, values: Path) -> None:
    """No key or password is ever in a ConfigMap or in a pod's own text."""
    for one in helm.render_file(values):
        if one["kind"] == "ConfigMap":
            assert not set(SECRETS) & set(some(one, "data"))
    for _, pod in pods(helm.render_file(values)):
        for container in containers(pod):
            for entry in listed(container, "env"):
                is_secret = entry["name"] in set(SECRETS) - {"HOOKLANE_KAFKA__SASL_USERNAME"}
                assert not is_secret or at(entry, "valueFrom.secretKeyRef.name")


def test_probes_ask_the_admin_port(helm: Helm) -> None:
    """Liveness never asks /readyz: a broker outage would restart every pod."""
    ports = {"gateway": 9101, "fanout": 9102, "deliverer": 9103}
    for one in of_kind(helm.render_with(), "Deployment").values():
        (container,) = containers(some(one, "spec.template"))
        named = {str(port["name"]): port["containerPort"] for port in listed(container, "ports")}

        assert named["admin"] == ports[component_of(one)]
        assert named.get("http") == (8080 if component_of(one) == "gateway" else None)
        assert at(container, "livenessProbe.httpGet") == {"path": "/livez", "port": "admin"}
        assert at(container, "startupProbe.httpGet") == {"path": "/livez", "port": "admin"}
        assert at(container, "readinessProbe.httpGet") == {"path": "/readyz", "port": "admin"}
        assert container["args"] == [component_of(one)]


def test_a_probe_can_be_another_one(helm: Helm) -> None:
    """`httpGet: null` beside another handler replaces it; null for the whole removes it."""
    objects = helm.render_file(CHART / "ci" / "everything-values.yaml")
    gateway = of_kind(objects, "Deployment")["hl-gateway"]
    container = listed(gateway, "spec.template.spec.containers")[0]

    assert at(container, "livenessProbe.tcpSocket") == {"port": "admin"}
    assert at(container, "livenessProbe.httpGet") is None
    assert "startupProbe" not in container


def test_what_changes_the_settings_rolls_the_pods(helm: Helm) -> None:
    """The checksum follows the ConfigMap and the chart-made Secret, and nothing else."""

    def sums(*sets: str) -> dict[str, object]:
        objects = helm.render_with(*sets)
        gateway = of_kind(objects, "Deployment")["r-hooklane-gateway"]
        return some(gateway, "spec.template.metadata.annotations")

    trial = ("auth.existingSecret=", f"auth.rootKey={'k' * 40}")
    plain = sums()

    assert set(plain) == {"checksum/config"}
    assert sums("settings.log.level=debug") != plain
    assert sums("commonLabels.team=a", "metrics.podMonitor.enabled=true") == plain
    assert (
        sums(*trial)["checksum/secret"]
        != sums(*trial, f"auth.rootKey={'q' * 40}")["checksum/secret"]
    )


def test_large_numbers_are_written_out(helm: Helm) -> None:
    """Helm holds numbers of YAML as floats; `1.00663296e+08` is not a number of bytes."""
    objects = helm.render_file(CHART / "ci" / "production-values.yaml")
    data = some(of_kind(objects, "ConfigMap")["r-hooklane"], "data")

    assert data["HOOKLANE_DELIVERER__BUFFER_BYTES"] == "201326592"
    assert data["HOOKLANE_TOPICS__PARTITIONS"] == "48"


def test_lists_and_booleans_reach_the_services(helm: Helm) -> None:
    """Lists are comma-separated in variables; true is `true`."""
    objects = helm.render_file(CHART / "ci" / "trial-values.yaml")
    data = some(of_kind(objects, "ConfigMap")["r-hooklane"], "data")

    assert data["HOOKLANE_EGRESS__ALLOW_HTTP"] == "true"
    assert data["HOOKLANE_EGRESS__ALLOW_CIDRS"] == "10.0.0.0/8"


def test_labels_of_values_never_move_a_pod_out_of_its_selector(helm: Helm) -> None:
    """The podLabels may say what they like; the selector's labels win."""
    objects = helm.render_file(CHART / "ci" / "everything-values.yaml")
    gateway = of_kind(objects, "Deployment")["hl-gateway"]
    labels = some(gateway, "spec.template.metadata.labels")

    assert labels["app.kubernetes.io/component"] == "gateway"
    assert labels["tier"] == "edge"


@pytest.mark.parametrize("values", CI, ids=_case)
def test_the_grace_period_covers_the_drain(helm: Helm, values: Path, tmp_path: Path) -> None:
    """Kubernetes kills after the grace period; what is in flight then is sent again later."""
    objects = helm.render_file(values)
    for one in of_kind(objects, "Deployment").values():
        container = next(c for c in containers(some(one, "spec.template")) if c["name"] in MODELS)
        environ = _environment(objects, container, tmp_path)
        shutdown_s = load(MODELS[str(container["name"])], environ).lifecycle.shutdown_s  # type: ignore[attr-defined]
        command = at(container, "lifecycle.preStop.exec.command")
        sleep_s = int(command[1]) if isinstance(command, list) else 0

        grace_s = at(one, "spec.template.spec.terminationGracePeriodSeconds")

        assert isinstance(grace_s, int)
        assert grace_s >= sleep_s + shutdown_s + 5
