"""Tests of why brokers are not reached, on sockets that misbehave."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest
import trustme
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    UnsupportedSaslMechanismError,
)

from chassis.settings import KafkaSettings
from hooklane.doctor.brokers import explain, reach


def _settings(server: str, **fields: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": server, **fields})


@pytest.mark.parametrize(
    ("error", "seen", "advice"),
    [
        (socket.gaierror(), "cannot be looked up", "BOOTSTRAP_SERVERS"),
        (ConnectionRefusedError(), "nobody listens", "port"),
        (AuthenticationFailedError(), "password is refused", "SASL_PASSWORD"),
        (UnsupportedSaslMechanismError(), "does not offer", "SASL_MECHANISM"),
        (TimeoutError(), "no answer", "SECURITY_PROTOCOL"),
        (KafkaConnectionError(), "hangs up", "SECURITY_PROTOCOL"),
        (ValueError("hunter2"), "it fails: ValueError", "log"),
    ],
)
def test_each_error_is_explained(error: Exception, seen: str, advice: str) -> None:
    """In words of settings, never with its own text."""
    found = explain(error, _settings("a:1"))

    assert seen in found[0]
    assert advice in found[1]
    assert "hunter2" not in str(found)


async def test_a_port_where_nobody_listens() -> None:
    """The usual mistake."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        reached = await reach(_settings(f"127.0.0.1:{unused.getsockname()[1]}"))

    (one,) = reached.findings
    assert (reached.server, one.status, one.seen) == (None, "fail", "nobody listens there")


@pytest.mark.parametrize(
    ("host", "is_trusted", "advice"),
    [("localhost", False, "SSL_CAFILE"), ("127.0.0.1", True, "the name that is in")],
)
async def test_certificates_are_told_apart(
    tmp_path: object, host: str, is_trusted: bool, advice: str
) -> None:
    """A strange CA wants another setting than a strange name."""
    authority, other = trustme.CA(), trustme.CA()
    ca_file = f"{tmp_path}/ca.pem"
    (authority if is_trusted else other).cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    seen = await _reach_server(
        lambda port: _settings(f"{host}:{port}", security_protocol="SSL", ssl_cafile=ca_file),
        context,
    )

    assert "certificate is refused" in seen[0]
    assert advice in seen[1]


async def test_a_listener_of_another_protocol() -> None:
    """TLS towards one that does not speak it."""
    seen = await _reach_server(lambda port: _settings(f"127.0.0.1:{port}", security_protocol="SSL"))

    assert "SECURITY_PROTOCOL" in seen[1] or "speaks TLS" in seen[1]


async def _reach_server(
    settings: Callable[[int], KafkaSettings], context: ssl.SSLContext | None = None
) -> tuple[str, str]:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        reached = await reach(settings(server.sockets[0].getsockname()[1]))
    (one,) = reached.findings
    assert one.status == "fail"
    return one.seen, one.advice
