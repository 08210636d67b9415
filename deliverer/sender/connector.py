"""Open connections: look-up, address check, TCP, TLS, each step bounded.

Every address a name resolves to is checked, and one forbidden address refuses them all: a name that
points at something public and something private is an attack or a mistake. Then a number is
connected to, so nothing is looked up a second time. Names of private networks (`localhost`,
`*.svc`) are never looked up.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from chassis.egress import EgressPolicy, IPAddress, RefusalReason, is_internal_name, parse_address
from deliverer.resolver import NameFailed, Resolver
from deliverer.sender.connection import Connection
from deliverer.sender.dial import Dial, dial_first, dial_tcp
from deliverer.sender.faults import describe_os_error, is_local_fault
from deliverer.sender.port import BlockedReason
from schemas.outcome import Outcome

CONNECT_TIMEOUT_S: Final = 5.0
_TLS_SHUTDOWN_S: Final = 1.0

_BLOCKED_DETAILS: Final[dict[BlockedReason, str]] = {
    "address": "the host leads to an address that is not allowed",
    "port": "the port is not allowed",
    "dns": "the host is an internal name",
    "scheme": "the scheme is not allowed",
}


class ConnectFailed(msgspec.Struct, frozen=True):
    """Why there is no connection; nothing of the request was sent."""

    outcome: Outcome
    detail: str
    blocked_reason: BlockedReason | None = None


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Make the TLS settings of one egress policy.

    Without a file OpenSSL's defaults hold: `SSL_CERT_FILE`, else the system's.
    """
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def blocked(reason: RefusalReason) -> ConnectFailed:
    """Say that the policy forbids the connection."""
    label: BlockedReason = "address" if reason == "form" else reason
    return ConnectFailed(Outcome.BLOCKED, _BLOCKED_DETAILS[label], label)


SPOKE_EARLY: Final = ConnectFailed(Outcome.PROTOCOL_ERROR, "the receiver spoke before it was asked")
CLOSED_EARLY: Final = ConnectFailed(
    Outcome.CONNECTION_LOST, "the receiver closed the connection at once"
)


class Connector:
    """Opens connections under one egress policy and one TLS identity."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        tls: ssl.SSLContext,
        resolver: Resolver,
        on_closed: Callable[[Connection], None],
        dial: Dial = dial_tcp,
    ) -> None:
        self._policy = policy
        self._tls = tls
        self._resolver = resolver
        self._on_closed = on_closed
        self._dial = dial

    async def open(
        self, scheme: str, host: str, port: int, *, deadline: float
    ) -> Connection | ConnectFailed:
        """Connect to a host, or say why not. `deadline` is a time of the loop's clock."""
        if reason := self._policy.check_scheme(scheme):
            return blocked(reason)
        addresses = await self._find(host, port, deadline)
        if isinstance(addresses, ConnectFailed):
            return addresses
        return await self._connect(scheme, host, port, addresses=addresses, deadline=deadline)

    async def _find(
        self, host: str, port: int, deadline: float
    ) -> tuple[IPAddress, ...] | ConnectFailed:
        literal = parse_address(host)
        if literal is not None:
            return self._judge((literal,), port)
        if is_internal_name(host):
            return blocked("dns")
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._resolver.resolve(host)
        except TimeoutError:
            return ConnectFailed(Outcome.TIMEOUT, "no time left to look the name up")
        if isinstance(answer, NameFailed):
            outcome = Outcome.LOCAL_FAULT if answer.is_local else Outcome.DNS_ERROR
            return ConnectFailed(outcome, answer.detail)
        return self._judge(answer.addresses, port)

    def _judge(
        self, addresses: tuple[IPAddress, ...], port: int
    ) -> tuple[IPAddress, ...] | ConnectFailed:
        reasons = {self._policy.check_address(address, port) for address in addresses}
        if "address" in reasons:
            return blocked("address")
        return blocked("port") if "port" in reasons else addresses

    async def _connect(
        self,
        scheme: str,
        host: str,
        port: int,
        *,
        addresses: tuple[IPAddress, ...],
        deadline: float,
    ) -> Connection | ConnectFailed:
        loop = asyncio.get_running_loop()
        limit = min(deadline, loop.time() + CONNECT_TIMEOUT_S)
        failure = Outcome.CONNECT_ERROR
        scope = asyncio.timeout_at(limit)
        try:
            async with scope:
                sock = await dial_first(addresses, port, dial=self._dial)
                if scheme == "https":
                    failure = Outcome.TLS_ERROR
                elif early := _early_end(sock):
                    return early
                return await self._wrap(sock, host if scheme == "https" else None)
        except OSError as error:
            if scope.expired():
                stage = "TLS handshake" if failure is Outcome.TLS_ERROR else "connecting"
                outcome = Outcome.TIMEOUT if limit == deadline else failure
                return ConnectFailed(outcome, f"{stage} took too long")
            if is_local_fault(error):
                failure = Outcome.LOCAL_FAULT
            return ConnectFailed(failure, describe_os_error(error))

    async def _wrap(self, sock: socket.socket, tls_host: str | None) -> Connection:
        """Put a transport on a connected socket, encrypted when `tls_host` is given."""
        loop = asyncio.get_running_loop()
        make = partial(Connection, loop, self._on_closed)
        if tls_host is None:
            _, connection = await loop.create_connection(make, sock=sock)
            return connection
        _, connection = await loop.create_connection(
            make,
            sock=sock,
            ssl=self._tls,
            server_hostname=tls_host,
            ssl_handshake_timeout=2 * CONNECT_TIMEOUT_S,
            ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
        )
        return connection


def _early_end(sock: socket.socket) -> ConnectFailed | None:
    """Close a fresh connection on which the receiver has spoken or that it has closed already.

    What it says before it was asked must not be taken for an answer.
    """
    try:
        early = sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError as error:
        sock.close()
        return ConnectFailed(Outcome.CONNECTION_LOST, describe_os_error(error))
    sock.close()
    return SPOKE_EARLY if early else CLOSED_EARLY
