"""The block of values that gateway, fan-out and deliverer each have."""

from typing import Annotated, Literal

from pydantic import Field

from tools.chart.shapes import (
    IntOrPercent,
    Json,
    JsonList,
    Name,
    Port,
    Resources,
    Strings,
    Values,
)

SPREAD: JsonList = [
    {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"}
    for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
]
ROLLING: Json = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
BEHAVIOR: Json = {
    "scaleUp": {
        "stabilizationWindowSeconds": 60,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 120}],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
    },
}


def _probe(path: str, period_s: int, timeout_s: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": "admin"},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }


class DisruptionBudget(Values):
    """PodDisruptionBudget."""

    enabled: bool = Field(default=True, description="Create a PodDisruptionBudget.")
    min_available: IntOrPercent = Field(
        default="", description="Pods that must stay; replaces maxUnavailable when set."
    )
    max_unavailable: IntOrPercent = Field(default=1, description="Pods that may go at once.")
    unhealthy_pod_eviction_policy: Literal["", "IfHealthyBudget", "AlwaysAllow"] = Field(
        default="AlwaysAllow", description="Whether a pod that is not ready may always be evicted."
    )


class DueLag(Values):
    """The second KEDA trigger of the deliverer."""

    server_address: str = Field(
        default="",
        description="URL of the Prometheus that knows hooklane_retry_due_records; "
        "empty: no such trigger.",
    )
    threshold: int = Field(default=5000, ge=1, description="Due records a pod should have at most.")
    metadata: Strings = Field(default={}, description="More fields of the prometheus trigger.")
    authentication_ref: Name = Field(
        default="", description="TriggerAuthentication for that Prometheus."
    )


class Keda(Values):
    """How KEDA scales."""

    polling_interval: int = Field(default=30, ge=1, description="Seconds between looks.")
    cooldown_period: int = Field(
        default=300, ge=0, description="Seconds before scaling to the min."
    )
    lag_threshold: int = Field(
        default=1000,
        ge=1,
        description="Records of lag a pod should have at most (consumers only; the lag of `events` "
        "or `deliveries`, never of delay topics: what waits there waits on purpose).",
    )
    kafka_version: str = Field(
        default="2.8.0",
        description="Protocol KEDA speaks; its old default is refused by Kafka >= 4.",
    )
    authentication_ref: Name = Field(
        default="",
        description="TriggerAuthentication for Kafka to use instead of one made from kafka.*.",
    )
    due_lag: DueLag = Field(
        default=DueLag(), description="Scale on retries past their due time too (deliverer only)."
    )
    triggers: JsonList = Field(default=[], description="More triggers.")
    annotations: Strings = Field(default={}, description="Annotations of the ScaledObject.")


class Autoscaling(Values):
    """One of nothing, HPA or KEDA: two autoscalers on one Deployment fight."""

    mode: Literal["none", "hpa", "keda"] = Field(
        default="none", description="Who sets the replicas: replicaCount, an HPA or KEDA."
    )
    min_replicas: int = Field(default=2, ge=1, description="Fewest pods; never 0.")
    max_replicas: int = Field(
        default=6,
        ge=1,
        description="Most pods; a consumer cannot use more than topics.partitions.",
    )
    target_cpu_utilization_percentage: int = Field(
        default=70, ge=0, le=1000, alias="targetCPUUtilizationPercentage",
        description="CPU of the requests to aim at (HPA; KEDA for the gateway); 0 = not used.",
    )  # fmt: skip
    target_memory_utilization_percentage: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Memory of the requests to aim at (HPA); 0 = not used.",
    )
    metrics: JsonList = Field(default=[], description="More metrics (HPA).")
    behavior: Json = Field(
        default=BEHAVIOR,
        description="Scaling speed. Every step of a consumer is a rebalance: few and big.",
    )
    keda: Keda = Field(default=Keda(), description="KEDA only.")


class Component(Values):
    """What every component has."""

    enabled: bool = Field(default=True, description="Deploy it.")
    replica_count: int = Field(
        default=2,
        ge=0,
        description="Pods without autoscaling; more consumers than partitions idle.",
    )
    resources: Resources = Field(default=Resources(), description="Requests and limits.")
    kafka_secret: Name = Field(
        default="",
        description="Secret with this component's own Kafka user; replaces "
        "kafka.sasl.existingSecret and kafka.tls.clientSecret.",
    )
    startup_probe: Json = Field(
        default=_probe("/livez", 2, 2, 60),
        description="Laid over this body; another handler needs `httpGet: null` beside it.",
    )
    liveness_probe: Json = Field(
        default=_probe("/livez", 10, 5, 6),
        description="Never ask /readyz here: a broker outage must not restart pods.",
    )
    readiness_probe: Json = Field(
        default=_probe("/readyz", 5, 3, 2), description="Owning no partition is ready: a standby."
    )
    pod_security_context: Json = Field(default={}, description="Laid over podSecurityContext.")
    security_context: Json = Field(default={}, description="Laid over securityContext.")
    node_selector: Strings = Field(default={}, description="Labels a node must have.")
    affinity: Json = Field(default={}, description="Affinity of the pods.")
    tolerations: JsonList = Field(default=[], description="Taints to tolerate.")
    topology_spread_constraints: JsonList = Field(
        default=SPREAD,
        description="A constraint without labelSelector gets the component's labels.",
    )
    priority_class_name: Name = Field(default="", description="PriorityClass of the pods.")
    runtime_class_name: Name = Field(default="", description="RuntimeClass of the pods.")
    pre_stop_sleep_seconds: int = Field(
        default=0, ge=0, le=300, description="Seconds a pod goes on after it left the endpoints."
    )
    termination_grace_period_seconds: int = Field(
        default=35,
        ge=1,
        description="At least preStopSleepSeconds + settings.lifecycle.shutdownS + 5.",
    )
    min_ready_seconds: int = Field(
        default=5,
        ge=0,
        description="Seconds a new pod must be ready before the next one is replaced.",
    )
    update_strategy: Json = Field(default=ROLLING, description="Strategy of the Deployment.")
    revision_history_limit: int = Field(default=5, ge=0, description="ReplicaSets kept.")
    annotations: Strings = Field(default={}, description="Annotations of the Deployment.")
    pod_annotations: Strings = Field(default={}, description="Annotations of the pods.")
    pod_labels: Strings = Field(default={}, description="Labels of the pods.")
    extra_env: JsonList = Field(
        default=[], description="More variables; they win over those of the chart."
    )
    extra_env_from: JsonList = Field(default=[], description="More sources of variables.")
    extra_volumes: JsonList = Field(default=[], description="More volumes.")
    extra_volume_mounts: JsonList = Field(default=[], description="More mounts.")
    extra_containers: JsonList = Field(default=[], description="Sidecars.")
    init_containers: JsonList = Field(default=[], description="Init containers.")
    lifecycle: Json = Field(
        default={}, description="Hooks of the container; replaces preStopSleepSeconds."
    )
    pdb: DisruptionBudget = Field(default=DisruptionBudget(), description="Disruption budget.")
    autoscaling: Autoscaling = Field(default=Autoscaling(), description="Autoscaling.")


class Service(Values):
    """The Service of the gateway."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP", description="Kind of Service."
    )
    port: Port = Field(default=80, description="Port of the Service; the pods listen on 8080.")
    node_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=0, description="Fixed node port; 0 = any."
    )
    annotations: Strings = Field(default={}, description="Annotations of the Service.")
    labels: Strings = Field(default={}, description="Labels of the Service.")
    load_balancer_class: str = Field(default="", description="Class of the load balancer.")
    load_balancer_source_ranges: list[str] = Field(
        default=[], description="Networks a load balancer admits."
    )
    external_traffic_policy: Literal["", "Cluster", "Local"] = Field(
        default="", description="Whether a node hands over to pods of other nodes."
    )


class IngressPath(Values):
    """One path of a host."""

    path: str = Field(default="/", description="Path.")
    path_type: Literal["Prefix", "Exact", "ImplementationSpecific"] = Field(
        default="Prefix", description="How the path is matched."
    )


class IngressHost(Values):
    """One host."""

    host: str = Field(description="Host name.")
    paths: list[IngressPath] = Field(default=[IngressPath()], description="Its paths.")


class Ingress(Values):
    """Ingress of the gateway."""

    enabled: bool = Field(default=False, description="Create an Ingress.")
    class_name: str = Field(default="", description="IngressClass; empty = the cluster's default.")
    annotations: Strings = Field(default={}, description="Annotations.")
    labels: Strings = Field(default={}, description="Labels.")
    hosts: list[IngressHost] = Field(
        default=[], description="`[{host, paths: [{path, pathType}]}]`."
    )
    tls: JsonList = Field(default=[], description="`[{secretName, hosts}]`.")


class HttpRoute(Values):
    """Gateway API route of the gateway."""

    enabled: bool = Field(default=False, description="Create an HTTPRoute (Gateway API).")
    api_version: str = Field(
        default="gateway.networking.k8s.io/v1", description="API version of the cluster's CRD."
    )
    parent_refs: JsonList = Field(default=[], description="Gateways to attach to; needed.")
    hostnames: list[str] = Field(default=[], description="Host names.")
    matches: JsonList = Field(
        default=[{"path": {"type": "PathPrefix", "value": "/"}}], description="What is routed."
    )
    filters: JsonList = Field(default=[], description="Filters of the rule.")
    timeouts: Strings = Field(default={}, description="Timeouts of the rule.")
    annotations: Strings = Field(default={}, description="Annotations.")
    labels: Strings = Field(default={}, description="Labels.")


class GatewayComponent(Component):
    """The gateway."""

    service: Service = Field(default=Service(), description="Service of the HTTP API.")
    ingress: Ingress = Field(default=Ingress(), description="Ingress to the HTTP API.")
    http_route: HttpRoute = Field(default=HttpRoute(), description="HTTPRoute to the HTTP API.")


def _resources(cpu: str, memory: str, memory_max: str) -> Resources:
    return Resources(requests={"cpu": cpu, "memory": memory}, limits={"memory": memory_max})


GATEWAY = GatewayComponent(
    resources=_resources("250m", "256Mi", "768Mi"),
    pre_stop_sleep_seconds=5,
    termination_grace_period_seconds=40,
)
FANOUT = Component(resources=_resources("250m", "256Mi", "768Mi"))
# The deliverer tells its group once a second: so a pod that keeps up shows that much lag as well.
DELIVERER = Component(
    resources=_resources("500m", "384Mi", "768Mi"),
    autoscaling=Autoscaling(keda=Keda(lag_threshold=6000)),
)
