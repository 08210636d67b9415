"""The way to a receiver: straight to its checked addresses, or through the operator's proxy.

A route first finds addresses (look-ups, bounded by the attempt), then reaches (TCP, bounded by the
time to connect). What it gives is a socket on which the receiver is the peer.
"""

import asyncio
import socket
from typing import Final, Protocol

import msgspec

from chassis.egress import EgressPolicy, IPAddress, RefusalReason, is_internal_name, parse_address
from chassis.egress_proxy import HEAD_BYTES_MAX, ProxyAddress, TunnelVerdict, judge_tunnel
from deliverer.resolver import Answer, NameFailed, Resolver
from deliverer.sender.dial import Dial, dial_first
from deliverer.sender.faults import describe_os_error
from deliverer.sender.port import BlockedReason
from schemas.outcome import Outcome

PROXY_CONNECT_TIMEOUT_S: Final = 2.0
_EARLIER_S: Final = 0.02

_BLOCKED_DETAILS: Final[dict[BlockedReason, str]] = {
    "address": "the host leads to an address that is not allowed",
    "port": "the port is not allowed",
    "dns": "the host is an internal name",
    "scheme": "the scheme is not allowed",
}

Addresses = tuple[IPAddress, ...]


class ConnectFailed(msgspec.Struct, frozen=True):
    """Why there is no connection; nothing of the request was sent."""

    outcome: Outcome
    detail: str
    blocked_reason: BlockedReason | None = None


SPOKE_EARLY: Final = ConnectFailed(Outcome.PROTOCOL_ERROR, "the receiver spoke before it was asked")
CLOSED_EARLY: Final = ConnectFailed(
    Outcome.CONNECTION_LOST, "the receiver closed the connection at once"
)
_TUNNEL_FAILURES: Final[dict[TunnelVerdict, ConnectFailed]] = {
    "denied": ConnectFailed(
        Outcome.BLOCKED, "the egress proxy does not allow the target", "address"
    ),
    "unreachable": ConnectFailed(
        Outcome.CONNECT_ERROR, "the egress proxy could not reach the target"
    ),
    "fault": ConnectFailed(Outcome.LOCAL_FAULT, "egress proxy: it opens no tunnel"),
}


def blocked(reason: RefusalReason) -> ConnectFailed:
    """Say that the policy forbids the connection."""
    label: BlockedReason = "address" if reason == "form" else reason
    return ConnectFailed(Outcome.BLOCKED, _BLOCKED_DETAILS[label], label)


class Route(Protocol):
    """How sockets to receivers are made under one policy."""

    async def find(self, host: str, port: int, deadline: float) -> Addresses | ConnectFailed:
        """Return the addresses to dial, or why there are none; `deadline` is loop time."""
        ...

    async def reach(
        self, addresses: Addresses, host: str, port: int, limit: float
    ) -> socket.socket | ConnectFailed:
        """Return a connected socket. Raises OSError for faults on the way to the receiver.

        The caller cancels it at `limit`, which is loop time.
        """
        ...


class DirectRoute:
    """Looks the receiver up and connects to what the policy allows."""

    def __init__(self, policy: EgressPolicy, *, resolver: Resolver, dial: Dial) -> None:
        self._policy = policy
        self._resolver = resolver
        self._dial = dial

    async def find(self, host: str, port: int, deadline: float) -> Addresses | ConnectFailed:
        """Return the addresses of the receiver if every one of them is allowed."""
        literal = parse_address(host)
        if literal is not None:
            return judge(self._policy, (literal,), port)
        if is_internal_name(host):
            return blocked("dns")
        answer = await _look_up(self._resolver, host, deadline)
        if isinstance(answer, ConnectFailed):
            return answer
        if isinstance(answer, NameFailed):
            outcome = Outcome.LOCAL_FAULT if answer.is_local else Outcome.DNS_ERROR
            return ConnectFailed(outcome, answer.detail)
        return judge(self._policy, answer.addresses, port)

    async def reach(
        self, addresses: Addresses, host: str, port: int, limit: float
    ) -> socket.socket | ConnectFailed:
        """Connect to the first address that answers."""
        return await dial_first(addresses, port, dial=self._dial)


class ProxyRoute:
    """Asks the operator's proxy for a tunnel.

    The proxy looks names up, so only targets given as an address meet our table; the operator
    chose the proxy, so its own address is not judged. Faults of the proxy are ours.
    """

    def __init__(
        self, policy: EgressPolicy, proxy: ProxyAddress, *, resolver: Resolver, dial: Dial
    ) -> None:
        self._policy = policy
        self._proxy = proxy
        self._resolver = resolver
        self._dial = dial

    async def find(self, host: str, port: int, deadline: float) -> Addresses | ConnectFailed:
        """Judge what can be judged of the target, then return the addresses of the proxy."""
        literal = parse_address(host)
        if literal is not None:
            judged = judge(self._policy, (literal,), port)
            if isinstance(judged, ConnectFailed):
                return judged
        elif is_internal_name(host):
            return blocked("dns")
        elif not self._policy.is_public_port(port):
            return blocked("port")
        own = parse_address(self._proxy.host)
        if own is not None:
            return (own,)
        answer = await _look_up(self._resolver, self._proxy.host, deadline)
        if isinstance(answer, ConnectFailed | NameFailed):
            return _proxy_fault(answer.detail)
        return answer.addresses

    async def reach(
        self, addresses: Addresses, host: str, port: int, limit: float
    ) -> socket.socket | ConnectFailed:
        """Connect to the proxy and wait for its tunnel."""
        loop = asyncio.get_running_loop()
        # A little before the caller's limit: a silent proxy must not be taken for a receiver.
        soon = min(limit - _EARLIER_S, loop.time() + PROXY_CONNECT_TIMEOUT_S)
        try:
            async with asyncio.timeout_at(soon):
                sock = await dial_first(addresses, self._proxy.port, dial=self._dial)
        except TimeoutError:
            return _proxy_fault("connecting took too long")
        except OSError as error:
            return _proxy_fault(describe_os_error(error))
        try:
            failed = await self._open_tunnel(sock, host, port)
        except OSError as error:
            failed = _proxy_fault(describe_os_error(error))
        except BaseException:
            sock.close()
            raise
        if failed is None:
            return sock
        sock.close()
        return failed

    async def _open_tunnel(self, sock: socket.socket, host: str, port: int) -> ConnectFailed | None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, self._proxy.connect_head(host, port))
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await loop.sock_recv(sock, HEAD_BYTES_MAX)
            answer += data
            if not data or len(answer) > HEAD_BYTES_MAX:
                return _TUNNEL_FAILURES["fault"]
        head, _, rest = answer.partition(b"\r\n\r\n")
        verdict = judge_tunnel(head + b"\r\n")
        if verdict != "open":
            return _TUNNEL_FAILURES[verdict]
        return SPOKE_EARLY if rest else None


def judge(policy: EgressPolicy, addresses: Addresses, port: int) -> Addresses | ConnectFailed:
    """Give the addresses back if all may be reached: one forbidden address refuses them all."""
    reasons = {policy.check_address(address, port) for address in addresses}
    if "address" in reasons:
        return blocked("address")
    return blocked("port") if "port" in reasons else addresses


async def _look_up(resolver: Resolver, host: str, deadline: float) -> Answer | ConnectFailed:
    try:
        async with asyncio.timeout_at(deadline):
            return await resolver.resolve(host)
    except TimeoutError:
        return ConnectFailed(Outcome.TIMEOUT, "no time left to look the name up")


def _proxy_fault(detail: str) -> ConnectFailed:
    return ConnectFailed(Outcome.LOCAL_FAULT, f"egress proxy: {detail}")
