"""What `hooklane dev` starts, as data: commands, environments, addresses. Pure."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

SERVICES = ("deliverer", "fanout", "gateway")  # downstream first; stopped the other way round
HOST = "127.0.0.1"
PARTITIONS = 4
SHUTDOWN_S = 8
BOOTSTRAP = "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Addresses and keys of one run."""

    bootstrap_servers: str
    prefix: str
    gateway_port: int
    admin_ports: Mapping[str, int]
    root_key: str
    vault_key: str

    @property
    def gateway_url(self) -> str:
        """Where the API is."""
        return f"http://{HOST}:{self.gateway_port}"

    def admin_url(self, service: str) -> str:
        """Where a service's probes and metrics are."""
        return f"http://{HOST}:{self.admin_ports[service]}"


def service_command(service: str) -> list[str]:
    """Return how to start a service; -P: a folder of that name in the user's must not win."""
    return [sys.executable, "-P", "-m", service]


def service_environment(
    inherited: Mapping[str, str], plan: StackPlan, service: str
) -> dict[str, str]:
    """Return a service's environment: the user's own HOOKLANE_* settings tune, the plan binds."""
    defaults = {
        "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
        "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
        "HOOKLANE_EGRESS__ALLOW_HTTP": "true",
        "HOOKLANE_EGRESS__ALLOW_CIDRS": f"{HOST}/32",
        "HOOKLANE_LOG__FORMAT": "console",
        "HOOKLANE_LIFECYCLE__SHUTDOWN_S": str(SHUTDOWN_S),
    }
    bound = {
        BOOTSTRAP: plan.bootstrap_servers,
        "HOOKLANE_TOPICS__PREFIX": plan.prefix,
        "HOOKLANE_GATEWAY__HOST": HOST,
        "HOOKLANE_GATEWAY__PORT": str(plan.gateway_port),
        "HOOKLANE_ADMIN__HOST": HOST,
        "HOOKLANE_ADMIN__PORT": str(plan.admin_ports[service]),
        "HOOKLANE_AUTH__ROOT_KEY": plan.root_key,
        "HOOKLANE_VAULT__KEYS": plan.vault_key,
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **inherited, **bound}


def curl_line(plan: StackPlan, subscriber: str) -> str:
    """Return a command to paste: one more event for the subscription of the demo."""
    event = f'{{"subscriber": "{subscriber}", "type": "order.paid", "data": {{"amount": 4200}}}}'
    return (
        f"curl -s {plan.gateway_url}/v1/events -H 'authorization: Bearer {plan.root_key}' \\\n"
        f"  -H 'content-type: application/json' -d '{event}'"
    )
