"""Strict schemas of the custom resources that the chart renders, written for this chart.

The packages that ship these take ten seconds to import. They list the fields that the chart uses,
typed as the projects' CRDs type them, and refuse all others: a typo in a template fails here as it
would on a cluster. They are not for checking the custom resources of others. On 2026-11-25 the
monitors, rules and KEDA objects of all examples were also judged, strictly, by models made of the
CRDs (cloudcoil-models-keda 2.16.1, cloudcoil-models-prometheus-operator 0.80.1): all were right.
"""

import jsonschema_rs

Schema = dict[str, object]

TEXT: Schema = {"type": "string", "minLength": 1}
INT: Schema = {"type": "integer"}
BOOL: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
SCALARS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "integer", "number", "boolean"]},
}
FREE: Schema = {"type": "object"}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}


def one_of(*values: str) -> Schema:
    """Admit these texts only."""
    return {"enum": list(values)}


def many(item: Schema, least: int = 0) -> Schema:
    """Admit a list."""
    return {"type": "array", "items": item, "minItems": least}


def shape(required: str = "", **fields: Schema) -> Schema:
    """Admit an object of these fields; `required` names those that must be there."""
    return {
        "type": "object",
        "properties": fields,
        "required": required.split(),
        "additionalProperties": False,
    }


META = shape("name namespace labels", name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)
SELECTOR = shape(
    matchLabels=TEXTS,
    matchExpressions=many(
        shape(
            "key operator",
            key=TEXT,
            operator=one_of("In", "Exists", "DoesNotExist"),
            values=many(TEXT),
        )
    ),
)
RELABELING = shape(
    action=one_of("replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod"),
    sourceLabels=many(TEXT),
    targetLabel=TEXT,
    regex=TEXT,
    replacement={"type": "string"},
    separator=TEXT,
    modulus=INT,
)
ENDPOINT = shape(
    "port path interval scrapeTimeout",
    port=TEXT,
    path=TEXT,
    interval=DURATION,
    scrapeTimeout=DURATION,
    relabelings=many(RELABELING),
    metricRelabelings=many(RELABELING),
)
NAMESPACES = shape("matchNames", matchNames=many(TEXT, 1))
RULE = {
    **shape(
        "expr",
        alert=TEXT,
        record=TEXT,
        expr=TEXT,
        keep_firing_for=DURATION,
        labels=TEXTS,
        annotations=TEXTS,
        **{"for": DURATION},
    ),
    "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
}
REFERENCE = shape(
    "name", name=TEXT, kind=one_of("TriggerAuthentication", "ClusterTriggerAuthentication")
)
TRIGGER = shape(
    "type metadata",
    type=one_of("kafka", "prometheus", "cpu", "memory", "cron"),
    name=TEXT,
    metadata=TEXTS,
    metricType=one_of("Utilization", "Value", "AverageValue"),
    authenticationRef=REFERENCE,
)
POLICY = shape(
    "type value periodSeconds", type=one_of("Pods", "Percent"), value=INT, periodSeconds=INT
)
SCALING = shape(
    stabilizationWindowSeconds=INT,
    policies=many(POLICY),
    selectPolicy=one_of("Max", "Min", "Disabled"),
)
ACL = shape(
    "resource operations host",
    resource=shape(
        "type name patternType",
        type=one_of("topic", "group", "cluster", "transactionalId"),
        name=TEXT,
        patternType=one_of("literal", "prefix"),
    ),
    operations=many(
        one_of("Read", "Write", "Create", "Describe", "DescribeConfigs", "IdempotentWrite"), 1
    ),
    host=TEXT,
    type=one_of("allow", "deny"),
)
USER = shape(
    "authentication authorization",
    authentication=shape("type", type=one_of("tls", "tls-external", "scram-sha-512")),
    authorization=shape("type acls", type=one_of("simple"), acls=many(ACL, 1)),
    quotas=shape(
        producerByteRate=INT,
        consumerByteRate=INT,
        requestPercentage=INT,
        controllerMutationRate=FREE,
    ),
)
TOPIC = shape(
    "topicName partitions replicas config",
    topicName={"type": "string", "pattern": "^[A-Za-z0-9._-]{1,249}$"},
    partitions={"type": "integer", "minimum": 1},
    replicas={"type": "integer", "minimum": 1},
    config=SCALARS,
)
ROUTE = shape(
    "parentRefs rules",
    parentRefs=many(
        shape("name", name=TEXT, namespace=TEXT, sectionName=TEXT, port=INT, group=TEXT, kind=TEXT),
        1,
    ),
    hostnames=many(TEXT),
    rules=many(
        shape(
            "backendRefs",
            matches=many(
                shape(path=shape("type value", type=TEXT, value=TEXT), headers=many(FREE))
            ),
            filters=many(FREE),
            timeouts=shape(request=DURATION, backendRequest=DURATION),
            backendRefs=many(shape("name port", name=TEXT, port=INT, weight=INT), 1),
        ),
        1,
    ),
)
SPECS: dict[tuple[str, str], Schema] = {
    ("monitoring.coreos.com/v1", "PodMonitor"): shape(
        "selector podMetricsEndpoints",
        jobLabel=TEXT,
        namespaceSelector=NAMESPACES,
        selector=SELECTOR,
        podMetricsEndpoints=many(ENDPOINT, 1),
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): shape(
        "selector endpoints",
        jobLabel=TEXT,
        namespaceSelector=NAMESPACES,
        selector=SELECTOR,
        endpoints=many(ENDPOINT, 1),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): shape(
        "groups",
        groups=many(
            shape("name rules", name=TEXT, interval=DURATION, rules=many(RULE, 1), labels=TEXTS), 1
        ),
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): shape(
        "scaleTargetRef triggers minReplicaCount maxReplicaCount",
        scaleTargetRef=shape("name", name=TEXT, kind=TEXT, apiVersion=TEXT),
        pollingInterval=INT,
        cooldownPeriod=INT,
        minReplicaCount={"type": "integer", "minimum": 1},
        maxReplicaCount=INT,
        advanced=shape(
            horizontalPodAutoscalerConfig=shape(behavior=shape(scaleUp=SCALING, scaleDown=SCALING))
        ),
        triggers=many(TRIGGER, 1),
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): shape(
        env=many(shape("parameter name", parameter=TEXT, name=TEXT, containerName=TEXT)),
        secretTargetRef=many(shape("parameter name key", parameter=TEXT, name=TEXT, key=TEXT)),
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ROUTE,
}
for _version in ("v1", "v1beta2"):
    SPECS["kafka.strimzi.io/" + _version, "KafkaTopic"] = TOPIC
    SPECS["kafka.strimzi.io/" + _version, "KafkaUser"] = USER


def violation(one: dict[str, object]) -> str | None:
    """Return what is wrong with a custom resource; None = nothing, or not one of ours to check."""
    spec = SPECS.get((str(one["apiVersion"]), str(one["kind"])))
    if spec is None:
        return f"no schema for {one['apiVersion']} {one['kind']}"
    whole = shape(
        "apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=spec
    )
    for error in jsonschema_rs.iter_errors(whole, one):
        return f"{'.'.join(map(str, error.instance_path))}: {error.message}"
    return None
