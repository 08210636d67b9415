"""Look at the brokers: whether they are reached, what they are, and why not."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    UnsupportedSaslMechanismError,
)

from chassis.kafka_probe import Probe
from chassis.settings import KafkaSettings
from hooklane.doctor.findings import Finding, fail, ok, warn


@dataclass(frozen=True)
class Reached:
    """What was found, and a server that answers (None: none does)."""

    findings: Sequence[Finding]
    server: str | None = None


async def reach(settings: KafkaSettings) -> Reached:
    """Knock at every bootstrap server, as the services will."""
    findings, answering, release = [], [], None
    for server in settings.bootstrap_servers:
        try:
            probe = await Probe.connect(settings, server)
        except (OSError, TimeoutError, KafkaError) as error:
            seen, advice = explain(error, settings)
            findings.append(fail(f"kafka {server}", seen, advice))
            continue
        answering.append(server)
        release = probe.release
        probe.close()
    if not answering:
        return Reached(findings)
    count = len(settings.bootstrap_servers)
    seen = f"{len(answering)} of {count} bootstrap servers answer ({_transport(settings)})"
    findings.insert(0, ok("kafka", seen))
    return Reached([*_softened(findings), _judged(release)], answering[0])


def explain(error: BaseException, settings: KafkaSettings) -> tuple[str, str]:
    """Say what an error of connecting means, and what to do."""
    match error:
        case socket.gaierror():
            return "the name cannot be looked up", "check HOOKLANE_KAFKA__BOOTSTRAP_SERVERS and DNS"
        case ConnectionRefusedError():
            return "nobody listens there", "check the port, and that the broker runs"
        case ssl.SSLCertVerificationError():
            reason = error.verify_message or "not trusted"
            advice = "give the CA that signed it in HOOKLANE_KAFKA__SSL_CAFILE"
            if "hostname" in reason.lower() or "ip address" in reason.lower():
                advice = "use the name that is in the broker's certificate"
            return f"the broker's certificate is refused: {reason}", advice
        case ssl.SSLError():
            return (
                f"TLS fails: {error.reason or 'no reason given'}",
                "check that this listener speaks TLS, and the client certificate",
            )
        case UnsupportedSaslMechanismError():
            return (
                f"the broker does not offer {settings.sasl_mechanism}",
                "set HOOKLANE_KAFKA__SASL_MECHANISM to one that it offers",
            )
        case AuthenticationFailedError():
            return (
                "user or password is refused",
                "check HOOKLANE_KAFKA__SASL_USERNAME and HOOKLANE_KAFKA__SASL_PASSWORD",
            )
        case TimeoutError():
            return "no answer within 5 s", _mismatch(
                settings, "check firewalls and NetworkPolicies"
            )
        case IllegalSaslStateError() | KafkaConnectionError() | ConnectionError():
            return "the broker hangs up", _mismatch(settings, "see its log")
    return f"it fails: {type(error).__name__}", "see the broker's log"


def _mismatch(settings: KafkaSettings, otherwise: str) -> str:
    """Name the usual reason of a silent end: the other side speaks another protocol."""
    return (
        f"check that the listener speaks {settings.security_protocol} "
        f"(HOOKLANE_KAFKA__SECURITY_PROTOCOL); else {otherwise}"
    )


def _softened(findings: Sequence[Finding]) -> list[Finding]:
    """Turn failures into warnings: one server that answers is enough to start."""
    return [
        warn(one.check, one.seen, one.advice) if one.status == "fail" else one for one in findings
    ]


def _judged(release: str | None) -> Finding:
    if release is None:
        return warn("kafka version", "older than 2.8", "hooklane is tested with Kafka 4; upgrade")
    return ok("kafka version", release)


def _transport(settings: KafkaSettings) -> str:
    parts = (settings.security_protocol, settings.sasl_mechanism)
    return ", ".join(part for part in parts if part)
