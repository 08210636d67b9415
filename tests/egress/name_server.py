"""A name server on loopback that lies as it is told, over UDP and TCP."""

import asyncio
import struct
from collections import deque
from dataclasses import dataclass, field
from ipaddress import ip_address

A, CNAME, AAAA = 1, 5, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
UDP_BYTES_MAX = 512
_TYPES = {4: A, 6: AAAA}


@dataclass(frozen=True)
class Zone:
    """What one name answers: addresses of both families, or another name, or silence."""

    addresses: tuple[str, ...] = ()
    alias: str | None = None
    ttl: int = 0
    code: int = NOERROR
    is_silent: bool = False


@dataclass
class NameServer:
    """Answers from `zones`; a name with several zones uses them up, one per look-up of type A."""

    zones: dict[str, deque[Zone]] = field(default_factory=dict)
    questions: list[tuple[str, int]] = field(default_factory=list)
    port: int = 0
    _udp: asyncio.DatagramTransport | None = None
    _tcp: asyncio.Server | None = None

    def say(self, name: str, *zones: Zone) -> None:
        """Set what a name answers, in turn; the last one stays."""
        self.zones[name] = deque(zones)

    def asked(self, name: str) -> int:
        """Count the look-ups of a name, by its questions for IPv4 addresses."""
        return self.questions.count((name, A))

    async def start(self) -> None:
        """Listen on one port of loopback for both protocols."""
        self._tcp = await asyncio.start_server(self._serve_tcp, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
        )

    async def stop(self) -> None:
        """Stop listening."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()

    def answer(self, query: bytes, *, bytes_max: int) -> bytes | None:
        """Answer one question, cut short with the truncation bit when it does not fit."""
        name, kind, question = _question(query)
        self.questions.append((name, kind))
        zone, records = self._records(name, kind)
        if zone.is_silent:
            return None
        number = query[:2]
        body = b"".join(records)
        if 12 + len(question) + len(body) > bytes_max:
            return number + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + question
        head = struct.pack("!HHHHH", 0x8180 | zone.code, 1, len(records), 0, 0)
        return number + head + question + body

    def _records(self, name: str, kind: int) -> tuple[Zone, list[bytes]]:
        zone = self._zone(name, kind)
        if zone.alias is not None:
            end, records = self._records(zone.alias, kind)
            return end, [_record(name, CNAME, zone.ttl, _encoded(zone.alias)), *records]
        found = [ip_address(text) for text in zone.addresses]
        return zone, [
            _record(name, kind, zone.ttl, address.packed)
            for address in found
            if _TYPES[address.version] == kind
        ]

    def _zone(self, name: str, kind: int) -> Zone:
        zones = self.zones.get(name)
        if not zones:
            return Zone(code=NXDOMAIN)
        # A look-up asks for both families: AAAA first, then A, or the other way round.
        seen = self.questions.count((name, kind)) - 1
        return zones[min(max(seen, 0), len(zones) - 1)]

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size), bytes_max=65_535)
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, bytes_max=UDP_BYTES_MAX)
        if answer is not None:
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined] # a datagram one


def _question(query: bytes) -> tuple[str, int, bytes]:
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode().lower())
        at += 1 + size
    end = at + 5
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    return ".".join(labels), kind, query[12:end]


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def _record(name: str, kind: int, ttl: int, value: bytes) -> bytes:
    return _encoded(name) + struct.pack("!HHIH", kind, 1, ttl, len(value)) + value
