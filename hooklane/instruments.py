"""The instruments of each service, read from the very graph of components that runs.

Built with settings that reach nobody: no table can forget an instrument that a part of a service
makes for itself.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry

import deliverer.service
import fanout.service
import gateway.service
from chassis.admin import AdminServer
from chassis.settings import ServiceSettings, load
from deliverer.settings import DelivererSettings
from fanout.settings import FanoutSettings
from gateway.settings import GatewaySettings

PREFIX: Final = "hooklane_"
NOWHERE: Final = {
    "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "HOOKLANE_AUTH__ROOT_KEY": "0" * 32,
    "HOOKLANE_VAULT__KEYS": "k:" + base64.b64encode(bytes(32)).decode(),
}
SERVICES: Final[Mapping[str, tuple[type[ServiceSettings], Callable[..., Any]]]] = {
    "gateway": (GatewaySettings, gateway.service.build),
    "fanout": (FanoutSettings, fanout.service.build),
    "deliverer": (DelivererSettings, deliverer.service.build),
}


class Instrument(NamedTuple):
    """One metric: `series` is how many a process has at most, since every child is made at once."""

    name: str
    kind: str
    meaning: str
    labels: Mapping[str, tuple[str, ...]]
    series: int

    @property
    def unit(self) -> str:
        """The unit, which is a part of the name."""
        words = self.name.removesuffix("_total").split("_")
        return words[-1] if words[-1] in {"seconds", "bytes", "records"} else ""


def registry_of(service: str) -> CollectorRegistry:
    """Build a service without starting it; returns what its `/metrics` would show."""
    model, build = SERVICES[service]

    async def components() -> Any:
        built = build(load(model, NOWHERE))
        return await built if asyncio.iscoroutine(built) else built

    [admin] = [one for one in asyncio.run(components()) if isinstance(one, AdminServer)]
    return admin.instruments


def instruments_of(service: str) -> list[Instrument]:
    """List our own instruments of a service, by name; those of Python and the process aside."""
    found = []
    for metric in registry_of(service).collect():
        if metric.name.startswith(PREFIX):
            suffix = "_total" if metric.type == "counter" else ""
            found.append(
                Instrument(
                    f"{metric.name}{suffix}",
                    metric.type,
                    metric.documentation,
                    _labels(metric.samples),
                    len(metric.samples),
                )
            )
    return sorted(found)


def _labels(samples: list[Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for sample in samples:
        for label, value in sample.labels.items():
            if label != "le":
                found.setdefault(label, {})[value] = None
    return {label: tuple(values) for label, values in found.items()}
