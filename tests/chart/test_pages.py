"""What docs/operations.md grants is what the chart grants, right by right."""

import re

from tests.chart.rendering import CHART, Helm, Object, at, component_of, listed, of_kind

PAGE = CHART.parents[1] / "docs" / "operations.md"
KINDS = {"topic": "topic", "group": "group", "transactional id": "transactionalId"}
WHO = {
    "gateway": ("gateway",),
    "fan-out": ("fanout",),
    "deliverer": ("deliverer",),
    "gateway, fan-out, deliverer": ("gateway", "fanout", "deliverer"),
    "`hooklane topics apply`": ("topics",),
}
Grant = tuple[str, str, str, str, str]


def _told() -> set[Grant]:
    """Read the table: who, resource, operations; an empty first cell means the one above."""
    section = PAGE.read_text().split("## Kafka ACLs")[1].split("\n## ")[0]
    found: set[Grant] = set()
    who: tuple[str, ...] = ()
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in {"who", "---"}:
            continue
        who = WHO.get(cells[0], ()) if cells[0] else who
        kind = next((to for text, to in KINDS.items() if cells[1].startswith(text)), "")
        for name in re.findall(r"`([^`]+)`", cells[1]):
            pattern = "prefix" if name.endswith("*") else "literal"
            found |= {
                (one, kind, name.rstrip("*"), pattern, operation)
                for one in who
                for operation in cells[2].split(", ")
            }
    return found


def _granted(user: Object) -> set[Grant]:
    return {
        (
            component_of(user),
            str(at(acl, "resource.type")),
            str(at(acl, "resource.name")),
            str(at(acl, "resource.patternType")),
            str(operation),
        )
        for acl in listed(user, "spec.authorization.acls")
        for operation in acl["operations"]  # type: ignore[attr-defined]
    }


def test_the_page_on_rights_says_what_the_chart_grants(helm: Helm) -> None:
    """For each service and for the Job of topics: no right more, none less."""
    values = ("users.mode=strimzi", "users.authentication=tls", "strimzi.cluster=c")
    objects = helm.render_with(*values, "kafka.securityProtocol=SSL")
    users = of_kind(objects, "KafkaUser")

    granted = set().union(*(_granted(user) for user in users.values()))

    assert {one[0] for one in granted} == {"gateway", "fanout", "deliverer", "topics"}
    assert _told() == granted
