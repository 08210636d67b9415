"""Test names that lie, through the real look-up of a fake name server on loopback (B113)."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from chassis.egress import EgressPolicy, IPAddress
from deliverer.resolver import Addresses, AiodnsLookup, NameFailed, Resolver
from deliverer.sender.dial import dial_tcp
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.egress.name_server import SERVFAIL, NameServer, Zone
from tests.fakes.sender import sent
from tests.integration.sender.conftest import OK, Peer, Receivers, request

PUBLIC = "93.184.215.14"
PUBLIC_SIX = "2606:4700::1111"
OPEN = EgressPolicy.of(allow_http=True)


class Wire:
    """Notes every address that would be connected to; all lead to one receiver of the test."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dialled: list[str] = []

    async def dial(self, address: IPAddress, port: int) -> socket.socket:
        """Connect to the receiver instead."""
        self.dialled.append(str(address))
        return await dial_tcp(ip_address("127.0.0.1"), self.port)


async def _answer_once(peer: Peer) -> None:
    await peer.request()
    await peer.say(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))


async def _keep_answering(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.say(OK)


@pytest.mark.parametrize(
    "zone",
    [
        Zone(("127.0.0.1",)),
        Zone((PUBLIC, "10.0.0.1")),
        Zone((PUBLIC, "fd00::1")),
        Zone(("::1",)),
        Zone(("::ffff:127.0.0.1",)),
        Zone(("64:ff9b::7f00:1", PUBLIC_SIX)),
        Zone((*(f"93.184.{n // 250}.{n % 250 + 1}" for n in range(255)), "169.254.169.254")),
        Zone(alias="inside.example"),
        Zone(alias="hop.example"),
    ],
)
async def test_a_name_that_leads_inside_is_blocked(
    zone: Zone, names: NameServer, lookup: AiodnsLookup, receivers: Receivers
) -> None:
    """Directly, beside a public address, in one family only, last of many, or by an alias."""
    wire = Wire(await receivers.start(_answer_once))
    names.say("hooks.example", zone)
    names.say("hop.example", Zone(alias="inside.example"))
    names.say("inside.example", Zone((PUBLIC, "192.168.1.1")))
    sender = HttpSender(OPEN, lookup=lookup, dial=wire.dial)

    result = await sent(sender, request(8080, host="hooks.example"))
    await sender.close()

    assert (result.outcome, result.blocked_reason) == (Outcome.BLOCKED, "address")
    assert wire.dialled == []
    assert receivers.connections == 0


async def test_a_name_with_a_thousand_addresses_is_unusable(
    names: NameServer, lookup: AiodnsLookup
) -> None:
    """No receiver has so many; the answer is not kept in part either."""
    many = Zone(tuple(f"93.{n // 250}.1.{n % 250 + 1}" for n in range(1000)))
    names.say("hooks.example", many)

    assert await lookup("hooks.example") == NameFailed("the answer is unusable")


async def test_a_name_is_looked_up_once_per_connection_and_judged_each_time(
    names: NameServer, lookup: AiodnsLookup, receivers: Receivers
) -> None:
    """Rebinding with a time to live of 0: what was judged is what is dialled, never a later one."""
    wire = Wire(await receivers.start(_answer_once))
    names.say("hooks.example", Zone((PUBLIC,)), Zone(("127.0.0.1",)), Zone((PUBLIC,)))
    sender = HttpSender(OPEN, lookup=lookup, dial=wire.dial)

    outcomes = [(await sent(sender, request(8080, host="hooks.example"))).outcome for _ in range(3)]
    await sender.close()

    assert outcomes == [Outcome.DELIVERED, Outcome.BLOCKED, Outcome.DELIVERED]
    assert names.asked("hooks.example") == 3
    assert wire.dialled == [PUBLIC, PUBLIC]


async def test_a_kept_connection_stays_with_the_address_that_was_judged(
    names: NameServer, lookup: AiodnsLookup, receivers: Receivers
) -> None:
    """A name that turns inside moves nothing: the peer of an open connection cannot (B116)."""
    wire = Wire(await receivers.start(_keep_answering))
    names.say("hooks.example", Zone((PUBLIC,)), Zone(("127.0.0.1",)))
    sender = HttpSender(OPEN, lookup=lookup, dial=wire.dial)

    first = await sent(sender, request(8080, host="hooks.example"))
    kept = await sent(sender, request(8080, host="hooks.example"))
    both = await asyncio.gather(
        *(sent(sender, request(8080, host="hooks.example")) for _ in range(2))
    )
    await sender.close()

    assert (first.is_reused, kept.is_reused) == (False, True)
    assert sorted(result.outcome for result in both) == ["blocked", "delivered"]
    assert wire.dialled == [PUBLIC]


async def test_families_are_judged_together(names: NameServer, lookup: AiodnsLookup) -> None:
    """The answer holds both, numbers only."""
    names.say("hooks.example", Zone((PUBLIC, PUBLIC_SIX), ttl=7))

    answer = await lookup("hooks.example")

    assert isinstance(answer, Addresses)
    assert set(map(str, answer.addresses)) == {PUBLIC, PUBLIC_SIX}
    assert answer.ttl_s == 7


async def test_no_search_suffix_is_tried(names: NameServer, lookup: AiodnsLookup) -> None:
    """`kubernetes.default` must not become `kubernetes.default.svc.cluster.local`."""
    assert await lookup("kubernetes.default") == NameFailed("the name has no address")
    assert {name for name, _ in names.questions} == {"kubernetes.default"}


@pytest.mark.parametrize("zone", [Zone(), Zone(code=SERVFAIL), Zone(alias="gone.example")])
async def test_no_answer_is_no_address(zone: Zone, names: NameServer, lookup: AiodnsLookup) -> None:
    """An empty answer, a broken server and an alias to nothing are failures of the name."""
    names.say("hooks.example", zone)

    answer = await lookup("hooks.example")

    assert isinstance(answer, NameFailed)
    assert not answer.is_local


async def test_dead_names_do_not_clog_the_look_up(names: NameServer, lookup: AiodnsLookup) -> None:
    """While others get no answer, a good name is found before any of them ends (B230).

    So few that the questions of both families fit into the socket of the fake server at once.
    """
    for number in range(60):
        names.say(f"dead{number}.example", Zone(is_silent=True))
    names.say("good.example", Zone((PUBLIC,)))
    resolver = Resolver(lookup, clock=asyncio.get_running_loop().time)
    dead = [asyncio.create_task(resolver.resolve(f"dead{n}.example")) for n in range(60)]
    await asyncio.sleep(0)

    good = await resolver.resolve("good.example")
    are_waiting = not any(task.done() for task in dead)
    await resolver.close()
    await asyncio.gather(*dead, return_exceptions=True)

    assert isinstance(good, Addresses)
    assert are_waiting
