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

from chassis.egress import EgressPolicy
from deliverer.sender.connection import Connection
from deliverer.sender.faults import describe_os_error, is_local_fault
from deliverer.sender.route import (
    CLOSED_EARLY,
    SPOKE_EARLY,
    Addresses,
    ConnectFailed,
    Route,
    blocked,
)
from schemas.outcome import Outcome

CONNECT_TIMEOUT_S: Final = 5.0
_TLS_SHUTDOWN_S: Final = 1.0


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Make the TLS settings of one egress policy.

    Without a file OpenSSL's defaults hold: `SSL_CERT_FILE`, else the system's.
    """
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connector:
    """Opens connections under one egress policy, on one route, with one TLS identity."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        tls: ssl.SSLContext,
        route: Route,
        on_closed: Callable[[Connection], None],
    ) -> None:
        self._policy = policy
        self._tls = tls
        self._route = route
        self._on_closed = on_closed

    async def open(
        self, scheme: str, host: str, port: int, *, deadline: float
    ) -> Connection | ConnectFailed:
        """Connect to a host, or say why not. `deadline` is a time of the loop's clock."""
        if reason := self._policy.check_scheme(scheme):
            return blocked(reason)
        addresses = await self._route.find(host, port, deadline)
        if isinstance(addresses, ConnectFailed):
            return addresses
        return await self._connect(scheme, host, port, addresses=addresses, deadline=deadline)

    async def _connect(
        self, scheme: str, host: str, port: int, *, addresses: Addresses, deadline: float
    ) -> Connection | ConnectFailed:
        loop = asyncio.get_running_loop()
        limit = min(deadline, loop.time() + CONNECT_TIMEOUT_S)
        failure = Outcome.CONNECT_ERROR
        scope = asyncio.timeout_at(limit)
        try:
            async with scope:
                sock = await self._route.reach(addresses, host, port, limit)
                if isinstance(sock, ConnectFailed):
                    return sock
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
