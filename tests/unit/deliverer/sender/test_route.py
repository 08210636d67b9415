"""Test the routes to a receiver up to the first packet; tunnels are tested on sockets elsewhere."""

import asyncio
import errno
import socket
from ipaddress import ip_address

import pytest

from chassis.egress import EgressPolicy, IPAddress
from chassis.egress_proxy import ProxyAddress
from deliverer.resolver import Addresses, Answer, NameFailed, Resolver
from deliverer.sender.route import (
    ConnectFailed,
    DirectRoute,
    ProxyRoute,
    Route,
    blocked,
    judge,
)
from schemas.outcome import Outcome

PUBLIC = ip_address("93.184.215.14")
PRIVATE = ip_address("10.0.0.1")
STRICT = EgressPolicy()
NAMED_PROXY = ProxyAddress.parse("http://squid:3128")


class Net:
    """Answers every name alike and fails every dial; notes both."""

    def __init__(self, answer: Answer, fault: OSError | None = None) -> None:
        self.answer = answer
        self.fault = fault
        self.asked: list[str] = []

    async def lookup(self, host: str) -> Answer:
        """Note the name."""
        self.asked.append(host)
        return self.answer

    async def dial(self, address: IPAddress, port: int) -> socket.socket:
        """Fail, or never end."""
        if self.fault is not None:
            raise self.fault
        await asyncio.Event().wait()
        raise AssertionError

    def route(self, proxy: ProxyAddress | None = None) -> Route:
        """Make a route that lives in this net."""
        resolver = Resolver(self.lookup, clock=asyncio.get_running_loop().time)
        if proxy is None:
            return DirectRoute(STRICT, resolver=resolver, dial=self.dial)
        return ProxyRoute(STRICT, proxy, resolver=resolver, dial=self.dial)


async def _find(net: Net, host: str, port: int, *, proxy: ProxyAddress | None = None) -> object:
    loop = asyncio.get_running_loop()
    return await net.route(proxy).find(host, port, loop.time() + 5)


def test_one_forbidden_address_refuses_all() -> None:
    """An address counts before a port."""
    assert judge(STRICT, (PUBLIC,), 443) == (PUBLIC,)
    assert judge(STRICT, (PUBLIC, PRIVATE), 22) == blocked("address")
    assert judge(STRICT, (PUBLIC,), 22) == blocked("port")


def test_a_blocked_connection_names_its_label_only() -> None:
    """The detail may be read by the subscriber: no address, no host."""
    assert blocked("address").blocked_reason == "address"
    assert blocked("form").blocked_reason == "address"
    assert blocked("dns").outcome is Outcome.BLOCKED


async def test_the_direct_route_looks_up_names_only() -> None:
    """A literal is judged as it stands."""
    net = Net(Addresses((PUBLIC,)))

    assert await _find(net, "93.184.215.14", 443) == (PUBLIC,)
    assert await _find(net, "hooks.example", 443) == (PUBLIC,)
    assert await _find(net, "localhost", 443) == blocked("dns")
    assert net.asked == ["hooks.example"]


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("127.0.0.1", 443, "address"),
        ("::ffff:127.0.0.1", 443, "address"),
        ("169.254.169.254", 80, "address"),
        ("93.184.215.14", 22, "port"),
        ("hooks.example", 22, "port"),
        ("localhost", 443, "dns"),
        ("metadata.google.internal", 443, "dns"),
    ],
)
async def test_a_proxy_is_not_asked_for_what_is_forbidden(
    host: str, port: int, reason: str
) -> None:
    """Literals, ports and internal names are judged here, before the proxy is even looked up."""
    net = Net(Addresses((PRIVATE,)))

    failed = await _find(net, host, port, proxy=NAMED_PROXY)

    assert isinstance(failed, ConnectFailed)
    assert (failed.outcome, failed.blocked_reason) == (Outcome.BLOCKED, reason)
    assert net.asked == []


async def test_with_a_proxy_only_the_proxy_is_looked_up() -> None:
    """Its own address is the operator's choice and is not judged."""
    net = Net(Addresses((PRIVATE,)))

    assert await _find(net, "hooks.example", 443, proxy=NAMED_PROXY) == (PRIVATE,)
    assert net.asked == ["squid"]
    literal = ProxyAddress.parse("http://10.9.9.9:3128")
    assert await _find(net, "hooks.example", 443, proxy=literal) == (ip_address("10.9.9.9"),)


async def test_an_unknown_proxy_is_our_fault() -> None:
    """No receiver is charged for the name of the proxy."""
    failed = await _find(Net(NameFailed("gone")), "hooks.example", 443, proxy=NAMED_PROXY)

    assert failed == ConnectFailed(Outcome.LOCAL_FAULT, "egress proxy: gone")


@pytest.mark.parametrize("fault", [OSError(errno.ECONNREFUSED, "no"), None])
async def test_a_proxy_that_cannot_be_reached_is_our_fault(fault: OSError | None) -> None:
    """Whether it refuses or swallows the connection; a little before the caller's limit."""
    route = Net(Addresses((PRIVATE,)), fault).route(NAMED_PROXY)
    limit = asyncio.get_running_loop().time() + 0.1

    failed = await route.reach((PRIVATE,), "hooks.example", 443, limit)

    assert isinstance(failed, ConnectFailed)
    assert failed.outcome is Outcome.LOCAL_FAULT
