"""CustomResourceDefinitions made of the chart tests' own schemas, for a server that has none."""

from tests.chart.crds import SPECS, Schema
from tests.chart.rendering import Object


def _structural(schema: Schema) -> Schema:
    """Say the same in what a CRD may say: unknown fields are the server's to find."""
    if "type" not in schema and "enum" in schema:
        return {"type": "string", **schema}
    if isinstance(schema.get("type"), list) or schema == {"type": "object"}:
        return {"x-kubernetes-preserve-unknown-fields": True}
    kept = {key: value for key, value in schema.items() if key != "additionalProperties"}
    if schema.get("type") == "object" and "properties" not in schema:
        kept["additionalProperties"] = _structural(schema["additionalProperties"])  # type: ignore[arg-type]
    if "properties" in schema:
        fields: dict[str, Schema] = schema["properties"]  # type: ignore[assignment]
        kept["properties"] = {name: _structural(one) for name, one in fields.items()}
    if "items" in schema:
        kept["items"] = _structural(schema["items"])  # type: ignore[arg-type]
    return kept


def definitions() -> list[Object]:
    """Return one definition per kind; versions of a kind stand in it together."""
    kinds: dict[tuple[str, str], list[tuple[str, Schema]]] = {}
    for (api, kind), spec in SPECS.items():
        group, version = api.split("/")
        kinds.setdefault((group, kind), []).append((version, spec))
    return [_definition(group, kind, versions) for (group, kind), versions in kinds.items()]


def _definition(group: str, kind: str, versions: list[tuple[str, Schema]]) -> Object:
    plural = kind.lower() + "s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # Groups of Kubernetes' own projects are guarded; this copy lives for one test run.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a copy for a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": index == 0,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": _structural(spec)},
                        }
                    },
                }
                for index, (version, spec) in enumerate(versions)
            ],
        },
    }
