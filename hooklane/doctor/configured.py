"""Look at the settings of each service, as the service itself would read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chassis.settings import ServiceSettings, SettingsError, load
from deliverer.settings import DelivererSettings
from fanout.settings import FanoutSettings
from gateway.settings import GatewaySettings
from hooklane.doctor.findings import Finding, fail, ok, skip

MODELS: Final[Mapping[str, type[ServiceSettings]]] = {
    "gateway": GatewaySettings,
    "fanout": FanoutSettings,
    "deliverer": DelivererSettings,
}
MISSING: Final = ": is required"


@dataclass(frozen=True)
class Configured:
    """The services that could start with these settings, and what is wrong with the others."""

    services: Mapping[str, ServiceSettings] = field(default_factory=dict)
    findings: Sequence[Finding] = ()


def read(variables: Mapping[str, str], wanted: Sequence[str]) -> Configured:
    """Load the settings of the wanted services; of all, when none is named.

    A pod has the variables of its own service only. So without a wish, a service that lacks nothing
    but required variables is not set up here; with one, that is what is wrong.
    """
    services: dict[str, ServiceSettings] = {}
    findings = []
    for name in wanted or MODELS:
        try:
            services[name] = load(MODELS[name], variables)
        except SettingsError as error:
            findings.append(_judged(name, error, is_wanted=name in wanted))
        else:
            findings.append(ok(f"settings {name}", "valid"))
    if not services and not any(one.status == "fail" for one in findings):
        advice = "set them as for the service, see docs/settings.md"
        findings.append(fail("settings", "no service could start with these variables", advice))
    return Configured(services, findings)


def _judged(name: str, error: SettingsError, *, is_wanted: bool) -> Finding:
    missing = [line.removesuffix(MISSING) for line in error.problems if line.endswith(MISSING)]
    if not is_wanted and len(missing) == len(error.problems):
        return skip(f"settings {name}", f"not set up here: {', '.join(missing)} not set")
    return fail(f"settings {name}", "; ".join(error.problems), "see docs/settings.md")
