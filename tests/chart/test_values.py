"""Values that are refused, each with a line that names them."""

import pytest

from tests.chart.rendering import NEEDED, Helm, HelmFailed

MISTYPED = {
    "an unknown value": ("kafka.bootstrapServer=k:9092", "bootstrapServer"),
    "an unknown value of a component": ("deliverer.replicas=3", "replicas"),
    "text where a number belongs": ("deliverer.replicaCount=three", "replicaCount"),
    "a number below its bound": ("topics.partitions=0", "partitions"),
    "a word outside its list": ("kafka.securityProtocol=TLS", "securityProtocol"),
    "an unknown setting": ("settings.deliverer.maxInflight=5", "maxInflight"),
    "an unknown section of settings": ("settings.retries.max=5", "retries"),
    "a setting beyond the service's bound": ("settings.deliverer.drainS=60", "drainS"),
    "a setting of the wrong type": ("settings.egress.allowHttp=5", "allowHttp"),
    "a setting that the chart owns": ("settings.gateway.port=9000", "port"),
    "HPA and KEDA at once": ("fanout.autoscaling.mode=hpa+keda", "mode"),
    "the switch of other charts": ("fanout.autoscaling.enabled=true", "enabled"),
    "a tag that YAML takes for a number": ("image.tag=9", "tag"),
    "a digest that is none": ("image.digest=latest", "digest"),
    "a name that is none": ("auth.existingSecret=My_Secret", "existingSecret"),
}
UNFIT = {
    "a root key that is short": (
        ["auth.existingSecret=", "auth.rootKey=short"],
        "fewer than 32 characters",
    ),
    "SASL without a mechanism": (
        ["kafka.securityProtocol=SASL_SSL", "kafka.sasl.existingSecret=s"],
        "kafka.sasl.mechanism is needed",
    ),
    "SASL without a user": (
        ["kafka.securityProtocol=SASL_SSL", "kafka.sasl.mechanism=PLAIN"],
        "kafka.sasl.existingSecret",
    ),
    "a SASL user that is not used": (["kafka.sasl.existingSecret=s"], "must be SASL_SSL"),
    "certificates that are not used": (["kafka.tls.existingSecret=s"], "must be SSL or SASL_SSL"),
    "Strimzi without its Kafka": (["topics.mode=strimzi"], "strimzi.cluster is needed"),
    "Strimzi users on another listener": (
        ["users.mode=strimzi", "users.authentication=tls", "strimzi.cluster=c"],
        "needs kafka.securityProtocol SSL",
    ),
    "topic settings that nobody applies": (
        ["topics.config.events.retention\\.ms=a"],
        "topics.mode strimzi",
    ),
    "more consumers than partitions": (
        ["deliverer.autoscaling.mode=keda", "deliverer.autoscaling.maxReplicas=13"],
        "above topics.partitions 12",
    ),
    "a maximum below the minimum": (
        ["gateway.autoscaling.mode=hpa", "gateway.autoscaling.maxReplicas=1"],
        "below minReplicas",
    ),
    "an HPA without a metric": (
        ["gateway.autoscaling.mode=hpa", "gateway.autoscaling.targetCPUUtilizationPercentage=0"],
        "has no metric",
    ),
    "a drain longer than the grace": (
        ["settings.lifecycle.shutdownS=60"],
        "deliverer.terminationGracePeriodSeconds must be at least",
    ),
    "two monitors": (
        ["metrics.podMonitor.enabled=true", "metrics.serviceMonitor.enabled=true"],
        "everything twice",
    ),
    "an ingress to nowhere": (["gateway.ingress.enabled=true"], "ingress.hosts is empty"),
    "a route from nowhere": (["gateway.httpRoute.enabled=true"], "parentRefs is empty"),
    "an echo that egress forbids": (["test.echo=true"], "settings.egress.allowHttp"),
}


def _render(helm: Helm, *sets: str) -> str:
    return helm.text(*(part for one in (*NEEDED, *sets) for part in ("--set", one)))


@pytest.mark.parametrize(("given", "named"), MISTYPED.values(), ids=MISTYPED)
def test_the_schema_refuses(helm: Helm, given: str, named: str) -> None:
    """Before anything reaches a cluster, and the message names the value."""
    with pytest.raises(HelmFailed) as refused:
        _render(helm, given)

    assert "schema" in str(refused.value)
    assert named in str(refused.value)


@pytest.mark.parametrize(("given", "said"), UNFIT.values(), ids=UNFIT)
def test_values_that_do_not_fit_together_are_refused(
    helm: Helm, given: list[str], said: str
) -> None:
    """What a schema cannot say, a line of the chart does."""
    with pytest.raises(HelmFailed) as refused:
        _render(helm, *given)

    assert "These values do not work" in str(refused.value)
    assert said in str(refused.value)


def test_everything_that_is_needed_is_named_at_once(helm: Helm) -> None:
    """Three tries to learn three names are two too many."""
    with pytest.raises(HelmFailed) as refused:
        helm.text()

    for name in ("kafka.bootstrapServers", "auth.existingSecret", "vault.existingSecret"):
        assert f"{name} is needed" in str(refused.value)


def test_a_parent_chart_may_switch_it(helm: Helm) -> None:
    """Helm hands `global` and a condition's `enabled` down to a subchart's values."""
    assert _render(helm, "enabled=true", "global.region=eu", "tags.hooks=true")
