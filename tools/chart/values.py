"""All values of the chart: names, types, defaults, and what each means."""

from typing import Literal

from pydantic import Field

from chassis import egress
from tools.chart.components import DELIVERER, FANOUT, GATEWAY, Component, GatewayComponent
from tools.chart.settings_values import settings_model
from tools.chart.shapes import Json, JsonList, Name, Port, PullPolicy, Resources, Strings, Values

POD_SECURITY: Json = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}
# DNS pods of the cluster, and the address of a NodeLocal DNS cache.
DNS_PEERS: JsonList = [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.20.10/32"}}]
SettingsValues = settings_model()


class Image(Values):
    """The one image of all services and of the command line."""

    repository: str = Field(default="hooklane", description="Image, with its registry.")
    tag: str = Field(default="", description="Tag; empty = the chart's appVersion.")
    digest: str = Field(
        default="", pattern=r"^(sha256:[0-9a-f]{64})?$", description="sha256:…; wins over the tag."
    )
    pull_policy: PullPolicy = Field(default="IfNotPresent", description="Pull policy.")


class ServiceAccount(Values):
    """The account of all pods; none of them talks to Kubernetes."""

    create: bool = Field(default=True, description="Create one.")
    name: Name = Field(default="", description="Its name; empty = the release's.")
    annotations: Strings = Field(default={}, description="Annotations.")
    automount_service_account_token: bool = Field(
        default=False, description="Mount its token; nothing here needs it."
    )


class Sasl(Values):
    """SASL."""

    mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="", description="Needed by a SASL_ protocol."
    )
    existing_secret: Name = Field(default="", description="Secret with user and password.")
    username_key: str = Field(
        default="username", description="Key of the user; not read while `username` is set."
    )
    password_key: str = Field(default="password", description="Key of the password.")
    username: str = Field(default="", description="User, when it is not in the Secret.")
    password: str = Field(default="", description="For trials: the chart makes a Secret of it.")


class Tls(Values):
    """TLS to the brokers."""

    existing_secret: Name = Field(
        default="", description="Secret with the CA of the brokers; empty = the system's CAs."
    )
    ca_key: str = Field(default="ca.crt", description="Key of the CA.")
    client_secret: Name = Field(default="", description="Secret with a client certificate.")
    cert_key: str = Field(default="tls.crt", description="Key of the certificate.")
    key_key: str = Field(default="tls.key", description="Key of its private key.")


class Kafka(Values):
    """The Kafka to live in; it is never part of this chart."""

    bootstrap_servers: list[str] | str = Field(
        default=[], description="Brokers to ask first, `host:port`. **Needed.**"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Transport to the brokers."
    )
    sasl: Sasl = Field(default=Sasl(), description="SASL.")
    tls: Tls = Field(default=Tls(), description="TLS.")


class Auth(Values):
    """The root key of the API."""

    existing_secret: Name = Field(default="", description="Secret that has it. **Needed.**")
    root_key_key: str = Field(default="root-key", description="Its key there.")
    root_key: str = Field(
        default="", description="For trials: >= 32 characters; the chart makes a Secret of it."
    )


class Vault(Values):
    """The keys that seal URLs, headers and secrets in the registry."""

    existing_secret: Name = Field(default="", description="Secret that has them. **Needed.**")
    keys_key: str = Field(default="vault-keys", description="Their key there.")
    keys: str = Field(
        default="",
        description="For trials: `id:base64(32 bytes)`, comma-separated; "
        "the chart makes a Secret of it.",
    )


class TopicsJob(Values):
    """The Job that runs `hooklane topics apply --wait`."""

    kafka_secret: Name = Field(default="", description="As in a component.")
    annotations: Strings = Field(
        default={}, description="Annotations of the Job; e.g. those of a hook of Argo CD."
    )
    pod_annotations: Strings = Field(default={}, description="Annotations of its pod.")
    pod_labels: Strings = Field(default={}, description="Labels of its pod.")
    backoff_limit: int = Field(default=6, ge=0, description="Tries.")
    active_deadline_seconds: int = Field(default=900, ge=1, description="Seconds for all tries.")
    ttl_seconds_after_finished: int = Field(
        default=0, ge=0, description="Seconds until it is removed; 0 = kept until the next upgrade."
    )
    resources: Resources = Field(
        default=Resources(requests={"cpu": "50m", "memory": "96Mi"}, limits={"memory": "256Mi"}),
        description="Requests and limits.",
    )
    node_selector: Strings = Field(default={}, description="Labels a node must have.")
    tolerations: JsonList = Field(default=[], description="Taints to tolerate.")


class Topics(Values):
    """The topics, all with the same partition count."""

    mode: Literal["job", "strimzi", "none"] = Field(
        default="job",
        description="Who creates them: a Job (creates what is missing, changes nothing), "
        "Strimzi's operator, or somebody else.",
    )
    prefix: str = Field(
        default="hooklane",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="First part of every topic, group and transactional id.",
    )
    partitions: int = Field(
        default=12, ge=1, le=1000, description="Partitions of each topic; never changed later."
    )
    replication_factor: int = Field(
        default=3, ge=1, le=9, description="Replicas; 1 only on a single broker."
    )
    job: TopicsJob = Field(default=TopicsJob(), description="mode: job.")
    config: dict[str, dict[str, str]] = Field(
        default={},
        description="mode: strimzi: more topic settings by topic, "
        '`{events: {retention.ms: "1209600000"}}`.',
    )


class Users(Values):
    """The Kafka users."""

    mode: Literal["none", "strimzi"] = Field(
        default="none",
        description="strimzi: one KafkaUser per component with the ACLs it needs and no more; "
        "the pods use the Secrets that Strimzi makes of them.",
    )
    authentication: Literal["scram-sha-512", "tls"] = Field(
        default="scram-sha-512", description="Must fit the listener of the Kafka."
    )
    quotas: Json = Field(default={}, description="Quotas of each KafkaUser.")


class Strimzi(Values):
    """For topics.mode and users.mode strimzi."""

    api_version: str = Field(
        default="kafka.strimzi.io/v1",
        description="API version of the CRDs; older clusters: kafka.strimzi.io/v1beta2.",
    )
    cluster: str = Field(default="", description="Name of the Kafka resource.")
    namespace: Name = Field(
        default="",
        description="Namespace of KafkaTopics and KafkaUsers; empty = the release's. In another "
        "one, copy the Secrets of the users to the release's namespace under their names.",
    )
    labels: Strings = Field(default={}, description="Labels.")
    annotations: Strings = Field(default={}, description="Annotations.")


class Monitor(Values):
    """A PodMonitor or ServiceMonitor."""

    enabled: bool = Field(default=False, description="Create it.")
    namespace: Name = Field(default="", description="Its namespace; empty = the release's.")
    labels: Strings = Field(default={}, description="Labels, e.g. those Prometheus selects.")
    annotations: Strings = Field(default={}, description="Annotations.")
    interval: str = Field(default="30s", description="Scrape interval.")
    scrape_timeout: str = Field(default="10s", description="Scrape timeout.")
    relabelings: JsonList = Field(
        default=[], description="Relabelings of targets, after job = hooklane-<component>."
    )
    metric_relabelings: JsonList = Field(default=[], description="Relabelings of samples.")


class PrometheusRule(Values):
    """Alerts, from files/alerts/*.yaml of the chart."""

    enabled: bool = Field(default=False, description="Create it.")
    namespace: Name = Field(default="", description="Its namespace; empty = the release's.")
    labels: Strings = Field(default={}, description="Labels, e.g. those Prometheus selects.")
    annotations: Strings = Field(default={}, description="Annotations.")
    rule_labels: Strings = Field(default={}, description="Labels added to each alert.")
    runbook_base_url: str = Field(
        default="",
        description="Where the runbooks are: `<base>/<AlertName>`, or any address with `{alert}` "
        "in it; empty = as shipped.",
    )
    disabled: list[str] = Field(default=[], description="Names of alerts to leave out.")
    additional_groups: JsonList = Field(default=[], description="More rule groups.")


class Dashboards(Values):
    """Grafana dashboards, from files/dashboards/*.json of the chart."""

    enabled: bool = Field(default=False, description="Create a ConfigMap for each.")
    namespace: Name = Field(default="", description="Their namespace; empty = the release's.")
    label: str = Field(default="grafana_dashboard", description="Label the sidecar looks for.")
    label_value: str = Field(default="1", description="Its value.")
    labels: Strings = Field(default={}, description="More labels.")
    folder: str = Field(default="", description="Folder in Grafana; empty = Grafana's default.")
    folder_annotation: str = Field(
        default="grafana_folder", description="Annotation by which the sidecar finds the folder."
    )
    annotations: Strings = Field(default={}, description="More annotations.")


class Metrics(Values):
    """How metrics are scraped and shown."""

    annotations: bool = Field(default=False, description="Add prometheus.io/* to the pods.")
    pod_monitor: Monitor = Field(default=Monitor(), description="PodMonitor of all components.")
    service_monitor: Monitor = Field(
        default=Monitor(), description="ServiceMonitor, with a headless Service per component."
    )
    prometheus_rule: PrometheusRule = Field(default=PrometheusRule(), description="Alerts.")
    dashboards: Dashboards = Field(default=Dashboards(), description="Dashboards.")


class GatewayPolicy(Values):
    """Who may call the HTTP API."""

    sources: JsonList = Field(default=[], alias="from", description="Peers; empty = everybody.")


class MetricsPolicy(Values):
    """Who may scrape."""

    sources: JsonList = Field(
        default=[{"namespaceSelector": {}}], alias="from", description="Peers; empty = everybody."
    )


class DnsPolicy(Values):
    """Where names are resolved."""

    peers: JsonList = Field(default=DNS_PEERS, alias="to", description="Peers; empty = anywhere.")
    port: Port = Field(default=53, description="Port of the DNS.")


class KafkaPolicy(Values):
    """Where the brokers are."""

    peers: JsonList = Field(default=[], alias="to", description="Peers; empty = anywhere.")
    ports: list[Port] = Field(
        default=[], description="Ports brokers listen on; empty = those of bootstrapServers."
    )


class DelivererPolicy(Values):
    """Where webhooks may go: a second fence behind the deliverer's own."""

    except_cidrs: list[str] = Field(
        default=list(egress._DENIED_IPV4),  # the one table; drift-tested
        description="IPv4 networks that are out of reach; "
        "settings.egress.allowCidrs are added again.",
    )
    except_ipv6_cidrs: list[str] = Field(
        default=list(egress._DENIED_IPV6),
        alias="exceptIPv6Cidrs",
        description="IPv6 networks in 2000::/3 that are out of reach; all outside of it is, too.",
    )
    extra_egress: JsonList = Field(default=[], description="More egress rules.")


class NetworkPolicy(Values):
    """NetworkPolicies: what is not listed is refused."""

    enabled: bool = Field(default=False, description="Create one per component.")
    gateway: GatewayPolicy = Field(default=GatewayPolicy(), description="To the gateway.")
    metrics: MetricsPolicy = Field(default=MetricsPolicy(), description="To the admin ports.")
    dns: DnsPolicy = Field(default=DnsPolicy(), description="To DNS.")
    kafka: KafkaPolicy = Field(default=KafkaPolicy(), description="To Kafka.")
    deliverer: DelivererPolicy = Field(default=DelivererPolicy(), description="To receivers.")
    extra_ingress: JsonList = Field(default=[], description="More ingress rules for all.")
    extra_egress: JsonList = Field(default=[], description="More egress rules for all.")


class Test(Values):
    """The pod of `helm test`."""

    enabled: bool = Field(default=True, description="Have one.")
    echo: bool = Field(
        default=False,
        description="Receive a webhook in the test pod, too. Needs settings.egress.allowHttp and "
        "the network of the pods in settings.egress.allowCidrs: for trials.",
    )
    timeout_seconds: int = Field(default=60, ge=1, description="Seconds it may take.")
    annotations: Strings = Field(default={}, description="Annotations of the pod.")


class ChartValues(Values):
    """The values of the chart."""

    name_override: Name = Field(default="", description="Replaces the chart's name in names.")
    fullname_override: Name = Field(default="", description="Replaces `<release>-hooklane`.")
    common_labels: Strings = Field(default={}, description="Labels of every object.")
    common_annotations: Strings = Field(default={}, description="Annotations of every object.")
    image: Image = Field(default=Image(), description="Image.")
    image_pull_secrets: JsonList = Field(default=[], description="`[{name}]`.")
    service_account: ServiceAccount = Field(default=ServiceAccount(), description="Account.")
    pod_security_context: Json = Field(
        default=POD_SECURITY, description="Of every pod: the Restricted standard."
    )
    security_context: Json = Field(
        default=CONTAINER_SECURITY, description="Of every container: the Restricted standard."
    )
    kafka: Kafka = Field(default=Kafka(), description="Kafka.")
    auth: Auth = Field(default=Auth(), description="Root key.")
    vault: Vault = Field(default=Vault(), description="Vault keys.")
    settings: SettingsValues = Field(  # type: ignore[valid-type]
        default=SettingsValues(),
        description="Settings of the services by section, camelCase: settings.egress.allowHttp is "
        "HOOKLANE_EGRESS__ALLOW_HTTP. docs/settings.md lists them; what is not set keeps its "
        "default.",
    )
    gateway: GatewayComponent = Field(default=GATEWAY, description="HTTP API.")
    fanout: Component = Field(default=FANOUT, description="Fan-out: events to deliveries.")
    deliverer: Component = Field(default=DELIVERER, description="Deliverer: sends the webhooks.")
    topics: Topics = Field(default=Topics(), description="Topics.")
    users: Users = Field(default=Users(), description="Kafka users.")
    strimzi: Strimzi = Field(default=Strimzi(), description="Strimzi.")
    metrics: Metrics = Field(default=Metrics(), description="Metrics, alerts, dashboards.")
    network_policy: NetworkPolicy = Field(default=NetworkPolicy(), description="NetworkPolicies.")
    test: Test = Field(default=Test(), description="`helm test`.")
    extra_objects: list[Json | str] = Field(
        default=[], description="More objects, as maps or as text; templated."
    )
