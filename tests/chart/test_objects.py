"""What single objects say: selectors, scaling, networks, topics, users, monitors."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from deliverer import service as deliverer_service
from deliverer.policy.pacing import SPACING_S, TOLD_SPACING_S
from schemas.topics import plan, transactional_id
from tests.chart import crds
from tests.chart.rendering import (
    CHART,
    NEEDED,
    Helm,
    Object,
    at,
    component_of,
    listed,
    of_kind,
    parse,
    some,
)

PRODUCTION = CHART / "ci" / "production-values.yaml"
SASL = CHART / "ci" / "sasl-values.yaml"
COMPONENTS = ("gateway", "fanout", "deliverer")
POD_RATE_PER_S = 4_000
"""What a deliverer's core manages with room left for a takeover (docs/performance.md)."""


def _triggers(one: Object) -> dict[str, dict[str, object]]:
    return {str(part["type"]): some(part, "metadata") for part in listed(one, "spec.triggers")}


@pytest.mark.parametrize("name", COMPONENTS)
def test_selectors_never_change(helm: Helm, name: str) -> None:
    """A Deployment with another selector cannot be upgraded: these three labels are for ever."""
    expected = {
        "app.kubernetes.io/name": "hooklane",
        "app.kubernetes.io/instance": "r",
        "app.kubernetes.io/component": name,
    }
    changed = ("image.tag=v9", "commonLabels.team=a", f"{name}.podLabels.a=b", "fullnameOverride=x")
    for objects, full in ((helm.render_with(), "r-hooklane"), (helm.render_with(*changed), "x")):
        deployment = of_kind(objects, "Deployment")[f"{full}-{name}"]
        labels = some(deployment, "spec.template.metadata.labels")

        assert at(deployment, "spec.selector.matchLabels") == expected
        assert expected.items() <= labels.items()
        budget = of_kind(objects, "PodDisruptionBudget")[f"{full}-{name}"]
        assert at(budget, "spec.selector.matchLabels") == expected


def test_an_autoscaler_owns_the_replicas_alone(helm: Helm) -> None:
    """A Deployment that an autoscaler scales says nothing of replicas, and has one autoscaler."""
    for path in (PRODUCTION, SASL):
        objects = helm.render_file(path)
        targets = [
            at(one, "spec.scaleTargetRef.name")
            for kind in ("HorizontalPodAutoscaler", "ScaledObject")
            for one in of_kind(objects, kind).values()
        ]
        for name, one in of_kind(objects, "Deployment").items():
            assert "replicas" not in some(one, "spec")
            assert targets.count(name) == 1

    trial = of_kind(helm.render_with(), "Deployment")
    assert [at(one, "spec.replicas") for one in trial.values()] == [2, 2, 2]


def test_keda_looks_at_input_topics_and_at_due_retries_only(helm: Helm) -> None:
    """What waits in a delay topic waits on purpose; its lag would scale up for nothing."""
    scaled = of_kind(helm.render_file(PRODUCTION), "ScaledObject")
    fanout = _triggers(scaled["r-hooklane-fanout"])
    deliverer = _triggers(scaled["r-hooklane-deliverer"])

    assert (fanout["kafka"]["topic"], fanout["kafka"]["consumerGroup"]) == (
        "hooklane.events",
        "hooklane-fanout",
    )
    assert (deliverer["kafka"]["topic"], deliverer["kafka"]["consumerGroup"]) == (
        "hooklane.deliveries",
        "hooklane-deliverer",
    )
    assert deliverer["kafka"]["excludePersistentLag"] == "true"
    assert "hooklane_retry_due_records" in str(deliverer["prometheus"]["query"])
    assert "retry" not in json.dumps([fanout, deliverer["kafka"]])
    for one in scaled.values():
        behavior = some(one, "spec.advanced.horizontalPodAutoscalerConfig.behavior")
        assert at(one, "spec.minReplicaCount") != 0
        assert at(behavior, "scaleDown.stabilizationWindowSeconds") == 300
        assert at(behavior, "scaleDown.policies") == [
            {"type": "Pods", "value": 1, "periodSeconds": 120}
        ]


def test_a_group_that_is_told_late_adds_no_deliverer(helm: Helm) -> None:
    """Its offset is up to a second and a tick old, although nothing waits."""
    sets = ("deliverer.autoscaling.mode=keda", "deliverer.autoscaling.maxReplicas=12")
    scaled = of_kind(helm.render_with(*sets), "ScaledObject")
    threshold = _triggers(scaled["r-hooklane-deliverer"])["kafka"]["lagThreshold"]

    assert int(str(threshold)) >= POD_RATE_PER_S * (TOLD_SPACING_S + SPACING_S)


def test_keda_authenticates_as_the_component(helm: Helm) -> None:
    """The same user, password and CA as the pods; no other Secret is needed."""
    objects = helm.render_file(PRODUCTION)
    one = of_kind(objects, "TriggerAuthentication")["r-hooklane-deliverer"]
    secrets = {str(ref["parameter"]): ref["name"] for ref in listed(one, "spec.secretTargetRef")}

    assert secrets == {"password": "r-hooklane-deliverer", "ca": "events-cluster-ca-cert"}
    assert listed(one, "spec.env")[0]["name"] == "HOOKLANE_KAFKA__SASL_USERNAME"


def _blocks(policy: Object) -> list[dict[str, object]]:
    return [
        some(peer, "ipBlock")
        for rule in listed(policy, "spec.egress")
        for peer in listed(rule, "to")
        if "ipBlock" in peer
    ]


def test_the_deliverer_reaches_the_world_without_private_ranges(helm: Helm) -> None:
    """The fence behind the deliverer's own: cloud metadata and private networks are left out."""
    policies = of_kind(helm.render_file(PRODUCTION), "NetworkPolicy")
    deliverer = {str(one["cidr"]): one for one in _blocks(policies["r-hooklane-deliverer"])}
    denied = deliverer["0.0.0.0/0"]["except"]

    assert isinstance(denied, list)
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(denied)
    assert set(deliverer) == {"169.254.20.10/32", "0.0.0.0/0", "2000::/3"}
    for name in ("gateway", "fanout"):
        assert [str(one["cidr"]) for one in _blocks(policies[f"r-hooklane-{name}"])] == [
            "169.254.20.10/32"
        ]


def test_permitted_networks_open_the_fence_too(helm: Helm) -> None:
    """What settings.egress.allowCidrs permits the deliverer, the policy must let through."""
    objects = helm.render_with(
        "networkPolicy.enabled=true",
        "settings.egress.allowCidrs={10.1.0.0/16,fd00::/8}",
        "settings.egress.allowHttp=true",
    )
    deliverer = of_kind(objects, "NetworkPolicy")["r-hooklane-deliverer"]
    ports = [
        port["port"] for rule in listed(deliverer, "spec.egress") for port in listed(rule, "ports")
    ]

    assert {"10.1.0.0/16", "fd00::/8"} <= {str(one["cidr"]) for one in _blocks(deliverer)}
    assert 80 in ports


def test_kafka_is_reached_on_its_ports(helm: Helm) -> None:
    """Ports come from the bootstrap servers unless they are given."""
    policies = of_kind(helm.render_file(SASL), "NetworkPolicy")
    for name in (*COMPONENTS, "topics"):
        rules = listed(policies[f"r-hooklane-{name}"], "spec.egress")
        assert {"port": 9096, "protocol": "TCP"} in [p for rule in rules for p in rule["ports"]]  # type: ignore[attr-defined]
        assert at(policies[f"r-hooklane-{name}"], "spec.policyTypes") == ["Ingress", "Egress"]


@pytest.mark.parametrize("replicas", [1, 3])
def test_strimzi_topics_are_those_the_services_check(helm: Helm, replicas: int) -> None:
    """Same names, partitions, replicas and settings as `hooklane topics apply` would make."""
    objects = helm.render_with(
        "topics.mode=strimzi", "strimzi.cluster=c", f"topics.replicationFactor={replicas}"
    )
    found = {}
    for one in of_kind(objects, "KafkaTopic").values():
        spec = some(one, "spec")
        assert some(one, "metadata.labels")["strimzi.io/cluster"] == "c"
        found[spec["topicName"]] = (spec["partitions"], spec["replicas"], spec["config"])

    wanted = plan("hooklane", 12, replicas)

    assert found == {one.name: (one.partitions, replicas, one.config) for one in wanted}


def test_topics_have_one_maker(helm: Helm) -> None:
    """Job, Strimzi or nobody; never two of them."""
    made = {
        mode: {
            str(one["kind"])
            for one in helm.render_with(f"topics.mode={mode}", "strimzi.cluster=c")
            if one["kind"] in {"Job", "KafkaTopic"}
        }
        for mode in ("job", "strimzi", "none")
    }

    assert made == {"job": {"Job"}, "strimzi": {"KafkaTopic"}, "none": set()}


def test_the_job_is_new_when_it_has_something_new_to_do(helm: Helm) -> None:
    """A Job cannot be changed: other settings or another image give it another name."""

    def name(*sets: str) -> str:
        (only,) = of_kind(helm.render_with(*sets), "Job")
        return only

    assert name() == name("deliverer.replicaCount=5")
    assert (
        len(
            {
                name(),
                name("image.tag=v2"),
                name("topics.prefix=a"),
                name("topics.job.backoffLimit=1"),
            }
        )
        == 4
    )
    job = of_kind(helm.render_with(), "Job")[name()]
    assert at(job, "spec.template.spec.containers")[0]["args"] == ["topics", "apply", "--wait"]  # type: ignore[index]
    assert "helm.sh/hook" not in some(job, "metadata.annotations")


def _grants(user: Object) -> set[tuple[str, str, str, str]]:
    return {
        (
            str(at(acl, "resource.type")),
            str(at(acl, "resource.patternType")),
            str(at(acl, "resource.name")),
            str(operation),
        )
        for acl in listed(user, "spec.authorization.acls")
        for operation in acl["operations"]  # type: ignore[attr-defined]
    }


def _allows(user: Object, kind: str, name: str, operation: str) -> bool:
    return any(
        (granted, one_kind) == (operation, kind)
        and (name == text or (pattern == "prefix" and name.startswith(text)))
        for one_kind, pattern, text, granted in _grants(user)
    )


def test_users_may_what_they_need_and_no_more(helm: Helm) -> None:
    """The table of CONTRACT §3: who writes and reads which topic, whose groups and ids."""
    users = of_kind(helm.render_file(PRODUCTION), "KafkaUser")
    topics = [one.name for one in plan("hooklane", 1, 3)]
    retry = {one for one in topics if ".retry." in one}
    full = {
        short: f"hooklane.{short}"
        for short in (
            "events",
            "deliveries",
            "lanes",
            "attempts",
            "registry",
            "quarantine",
            "dead-letters",
        )
    }
    wanted = {
        "gateway": ({full["registry"]}, {full["events"], full["registry"]}),
        "fanout": ({full["events"], full["registry"]}, {full["deliveries"], full["quarantine"]}),
        "deliverer": (
            {full["deliveries"], full["lanes"], full["registry"], *retry},
            {full[one] for one in ("lanes", "attempts", "registry", "quarantine", "dead-letters")}
            | retry,
        ),
    }
    ids = {"gateway": {"registry"}, "fanout": {"fanout"}, "deliverer": {"deliverer", "registry"}}
    for name, (reads, writes) in wanted.items():
        user = users[f"r-hooklane-{name}"]
        assert {one for one in topics if _allows(user, "topic", one, "Read")} == reads
        assert {one for one in topics if _allows(user, "topic", one, "Write")} == writes
        assert all(_allows(user, "topic", one, "DescribeConfigs") for one in topics)
        assert {
            one
            for one in ("registry", "fanout", "deliverer")
            if _allows(user, "transactionalId", transactional_id("hooklane", one, 47), "Write")
        } == ids[name]
        assert {one for one in COMPONENTS if _allows(user, "group", f"hooklane-{one}", "Read")} == (
            {name} - {"gateway"}
        )
        assert not [
            grant for grant in _grants(user) if grant[3] in {"Create", "Delete", "Alter", "All"}
        ]


def test_the_topics_user_creates_and_reads_nothing(helm: Helm) -> None:
    """With users by Strimzi and topics by the Job, the Job has a user of its own."""
    users = of_kind(helm.render_file(CHART / "ci" / "mtls-values.yaml"), "KafkaUser")
    grants = _grants(users["r-hooks-topics"])

    assert grants == {
        ("topic", "prefix", "Hooks_eu.", one) for one in ("Create", "Describe", "DescribeConfigs")
    }


def test_groups_are_named_as_the_services_name_them() -> None:
    """KEDA triggers and ACLs say `<prefix>-<service>`; the services must agree."""
    source = (CHART.parents[1] / "fanout" / "service.py").read_text()
    settings = type("S", (), {"topics": type("T", (), {"prefix": "hooklane"})})

    assert deliverer_service.group_of(settings) == "hooklane-deliverer"  # type: ignore[arg-type]
    assert 'f"{settings.topics.prefix}-{NAME}"' in source


def test_each_component_may_have_a_kafka_user_of_its_own(helm: Helm) -> None:
    """A kafkaSecret replaces the shared Secret for that component only."""
    deployments = of_kind(helm.render_file(SASL), "Deployment")
    used = {}
    for one in deployments.values():
        env = listed(one, "spec.template.spec.containers")[0]["env"]
        refs = {entry["name"]: at(entry, "valueFrom.secretKeyRef.name") for entry in env}  # type: ignore[attr-defined]
        used[component_of(one)] = refs["HOOKLANE_KAFKA__SASL_PASSWORD"]

    assert used == {"gateway": "kafka-user", "fanout": "kafka-user", "deliverer": "kafka-deliverer"}


def test_monitors_find_every_component_once(helm: Helm) -> None:
    """Jobs are called hooklane-<component> whichever monitor scrapes: alerts rely on it."""
    production, sasl = helm.render_file(PRODUCTION), helm.render_file(SASL)
    (pod_monitor,) = of_kind(production, "PodMonitor").values()
    (service_monitor,) = of_kind(sasl, "ServiceMonitor").values()
    wanted = some(service_monitor, "spec.selector.matchLabels")
    selected = [
        component_of(one)
        for one in of_kind(sasl, "Service").values()
        if wanted.items() <= some(one, "metadata.labels").items()
    ]

    assert listed(pod_monitor, "spec.selector.matchExpressions")[0]["values"] == list(COMPONENTS)
    assert sorted(selected) == sorted(COMPONENTS)
    for endpoints in (
        listed(pod_monitor, "spec.podMetricsEndpoints"),
        listed(service_monitor, "spec.endpoints"),
    ):
        (endpoint,) = endpoints
        assert (endpoint["port"], endpoint["path"]) == ("admin", "/metrics")
        assert listed(endpoint, "relabelings")[0]["replacement"] == "hooklane-$1"
    assert of_kind(sasl, "PodMonitor") == {}


ALERTS = """
groups:
  - name: shipped
    rules:
      - alert: Loud
        expr: up == 0
        annotations: {summary: "{{ $labels.pod }} is down", runbook_url: ours}
      - alert: Noisy
        expr: up == 1
      - record: a:b
        expr: sum(up)
"""


def test_shipped_alerts_and_dashboards_come_along(helm: Helm, tmp_path: Path) -> None:
    """Alerts can be left out, labelled, pointed to other runbooks; nothing in them is templated."""
    chart = tmp_path / "hooklane"
    shutil.copytree(CHART, chart)
    shutil.rmtree(chart / "files" / "alerts", ignore_errors=True)
    for folder, name, text in (
        ("alerts", "a.yaml", ALERTS),
        ("dashboards", "mine.json", '{"a": "{{b}}"}'),
    ):
        (chart / "files" / folder).mkdir(exist_ok=True)
        (chart / "files" / folder / name).write_text(text)
    options = (
        "metrics.prometheusRule.enabled=true",
        "metrics.prometheusRule.disabled={Noisy}",
        "metrics.prometheusRule.ruleLabels.team=a",
        "metrics.prometheusRule.runbookBaseUrl=https://runbooks.example.com/",
        "metrics.dashboards.enabled=true",
        "metrics.dashboards.namespace=grafana",
    )
    arguments = [part for one in (*NEEDED, *options) for part in ("--set", one)]

    objects = parse(helm.run("template", "r", str(chart), *arguments))

    (rule,) = of_kind(objects, "PrometheusRule").values()
    (group,) = listed(rule, "spec.groups")
    alert, record = listed(group, "rules")
    assert some(alert, "annotations") == {
        "summary": "{{ $labels.pod }} is down",
        "runbook_url": "https://runbooks.example.com/Loud",
    }
    assert some(alert, "labels") == {"team": "a"}
    assert record == {"record": "a:b", "expr": "sum(up)"}
    dashboard = of_kind(objects, "ConfigMap")["r-hooklane-dashboard-mine"]
    assert some(dashboard, "data") == {"mine.json": '{"a": "{{b}}"}'}
    assert some(dashboard, "metadata.labels")["grafana_dashboard"] == "1"
    assert at(dashboard, "metadata.namespace") == "grafana"
    assert crds.violation(rule) is None


def test_without_rules_there_is_no_empty_object(helm: Helm) -> None:
    """The operator refuses a PrometheusRule without groups."""
    rules = of_kind(helm.render_file(PRODUCTION), "PrometheusRule").values()

    assert all(listed(one, "spec.groups") for one in rules)


def test_ingress_and_route_lead_to_the_gateway(helm: Helm) -> None:
    """Both end at the port of the gateway's Service."""
    (route,) = of_kind(helm.render_file(PRODUCTION), "HTTPRoute").values()
    (ingress,) = of_kind(helm.render_file(SASL), "Ingress").values()
    text = yaml.safe_dump(ingress)

    backend = listed(listed(route, "spec.rules")[0], "backendRefs")[0]

    assert backend == {"name": "r-hooklane-gateway", "port": 80}
    assert re.search(r"name: r-hooklane-gateway\s+port:\s+name: http", text)


def test_more_objects_are_templated(helm: Helm) -> None:
    """Maps and texts alike may use the chart's own names."""
    configs = of_kind(helm.render_file(CHART / "ci" / "everything-values.yaml"), "ConfigMap")

    assert some(configs["more"], "data")["release"] == "r"
    assert "hl-text" in configs


def test_existing_secrets_leave_nothing_to_make(helm: Helm) -> None:
    """A Secret of the chart exists for values that hold a key, and only for those."""
    trial = of_kind(helm.render_file(CHART / "ci" / "trial-values.yaml"), "Secret")

    assert of_kind(helm.render_file(PRODUCTION), "Secret") == {}
    assert set(some(trial["r-hooklane"], "data")) == {"root-key", "vault-keys"}


def test_the_notes_warn_of_what_is_only_for_trials(helm: Helm) -> None:
    """Keys in values, one replica and plain text are said aloud; production is quiet."""
    arguments = ("install", "r", str(CHART), "--dry-run=client", "-n", "hooks")
    trial = helm.run(*arguments, "-f", str(CHART / "ci" / "trial-values.yaml"))
    production = helm.run(*arguments, "-f", str(PRODUCTION))

    assert trial.count("WARNING") == 3
    assert "WARNING" not in production.split("NOTES:")[1]
    assert "Copy the Secrets of the KafkaUsers from kafka to hooks" in production
