"""Run inside a network namespace where this host owns every address, and tell what was reached.

`python -m tests.egress.inside` sends to literals and names of inner and public addresses with the
real sender, real sockets and a lying name server, and prints one JSON document.
"""

import asyncio
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import uvloop

from chassis.egress import EgressPolicy
from deliverer.resolver import AiodnsLookup
from deliverer.sender.sender import HttpSender
from tests.egress.name_server import NameServer, Zone
from tests.fakes.sender import sent
from tests.integration.sender.conftest import OK, request

PORT = 8080
PROXY_PORT = 3128
PUBLIC = ["93.184.215.14", "2606:4700::1111"]
INNER = [
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "fd00:ec2::254", "fd20:ce::254", "fec0::1", "64:ff9b::7f00:1", "2002:7f00:1::1",
    "2001:db8::1", "5f00::1",
]  # fmt: skip
# Spellings of addresses that this host has anyway.
ALIASES = ["127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1"]


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def own(addresses: Iterable[str]) -> None:
    """Give addresses to the loopback interface of this namespace."""
    _run("ip", "link", "set", "lo", "up")
    for address in addresses:
        if ":" in address:
            _run("ip", "-6", "addr", "add", f"{address}/128", "dev", "lo", "nodad")
        else:
            _run("ip", "addr", "add", f"{address}/32", "dev", "lo")


class Listener:
    """Accepts on every address of this host, answers 200, counts by the address that was used."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.heads: list[str] = []

    async def start(self, port: int) -> None:
        """Listen for both families."""
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            await asyncio.start_server(self._serve, host, port, family=family)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted[writer.get_extra_info("sockname")[0]] += 1
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        writer.close()


async def scenario() -> dict[str, object]:
    """Send to everything, by literal and by name."""
    receiver, proxy, names = Listener(), Listener(), NameServer()
    await receiver.start(PORT)
    await proxy.start(PROXY_PORT)
    await names.start()
    outcomes: dict[str, str] = {}
    lookup = AiodnsLookup([f"127.0.0.1:{names.port}"])
    sender = HttpSender(EgressPolicy.of(allow_http=True), lookup=lookup)
    for number, address in enumerate([*PUBLIC, *INNER, *ALIASES]):
        host = f"name{number}.example"
        names.say(host, Zone((address,)))
        for target in (address, host):
            result = await sent(sender, request(PORT, host=target))
            outcomes[f"{address} as {'name' if target == host else 'literal'}"] = result.outcome
    names.say("mixed.example", Zone((PUBLIC[0], INNER[0])))
    outcomes["mixed"] = (await sent(sender, request(PORT, host="mixed.example"))).outcome
    await sender.close()
    await lookup.close()
    await names.stop()
    return {
        "outcomes": outcomes,
        "accepted": receiver.accepted,
        "heads": receiver.heads,
        "proxied": proxy.accepted,
    }


def main() -> None:
    """Print what was reached under the event loop that the first argument names."""
    own([*PUBLIC, *INNER])
    new_loop = uvloop.new_event_loop if sys.argv[1] == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        print(json.dumps(runner.run(scenario())))  # noqa: T201 - the answer to the test


if __name__ == "__main__":
    main()
