"""Test the order of checks before a connection; the whole path is tested on sockets elsewhere."""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from chassis.egress import EgressPolicy, IPAddress
from deliverer.resolver import Addresses, Answer, NameFailed, Resolver
from deliverer.sender.connector import Connector, tls_context
from deliverer.sender.route import ConnectFailed, DirectRoute, blocked
from schemas.outcome import Outcome


async def _dial_nothing(address: IPAddress, port: int) -> socket.socket:
    raise AssertionError(f"dialled {address}")


async def _open(
    answer: Answer, host: str = "a.example", *, policy: EgressPolicy | None = None
) -> object:
    async def lookup(host: str) -> Answer:
        return answer

    loop = asyncio.get_running_loop()
    policy = policy or EgressPolicy()
    connector = Connector(
        policy,
        tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        route=DirectRoute(policy, resolver=Resolver(lookup, clock=loop.time), dial=_dial_nothing),
        on_closed=lambda connection: None,
    )
    return await connector.open("https", host, 443, deadline=loop.time() + 5)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (NameFailed("no"), Outcome.DNS_ERROR),
        (NameFailed("no", is_local=True), Outcome.LOCAL_FAULT),
        (Addresses((ip_address("10.0.0.1"),)), Outcome.BLOCKED),
        (Addresses((ip_address("93.184.215.14"), ip_address("::1"))), Outcome.BLOCKED),
    ],
)
async def test_nothing_is_dialled_before_every_check_has_passed(
    answer: Answer, outcome: Outcome
) -> None:
    """A failed look-up or one forbidden address ends it."""
    failed = await _open(answer)

    assert isinstance(failed, ConnectFailed)
    assert failed.outcome is outcome


async def test_an_internal_name_is_blocked_whatever_is_permitted() -> None:
    """What it means depends on where it is looked up."""
    policy = EgressPolicy.of(allow_cidrs=["10.0.0.0/8"])

    failed = await _open(Addresses((ip_address("10.0.0.1"),)), "db", policy=policy)

    assert failed == blocked("dns")


def test_the_tls_settings_verify_and_trust_the_given_file(tmp_path: Path) -> None:
    """Names are checked, a certificate is required, TLS 1.2 is the least."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))

    context = tls_context(path)

    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1
