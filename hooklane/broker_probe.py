"""Ask a starting broker, in Kafka's own protocol, whether it can serve transactions yet.

Synchronous and without a client library: a start is waited for outside any event loop, and a
client would hide the first seconds behind its own retries. Two old, fixed-layout requests are
enough: FindCoordinator v2 makes the internal topics, InitProducerId v1 proves they are loaded.
"""

import socket
import struct
from dataclasses import dataclass

FIND_COORDINATOR = 10
INIT_PRODUCER_ID = 22
GROUP, TRANSACTION = 0, 1
PROBE_ID = "hooklane-probe"
TRANSACTION_TIMEOUT_MS = 10_000
ANSWER_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why the broker is not ready, in a few words."""

    reason: str


def probe(host: str, port: int, *, timeout_s: float) -> NotYet | None:
    """Return None once group and transaction coordinators answer without an error.

    In a cluster the transaction coordinator may be another node; it is asked there.
    """
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            for kind, name in ((GROUP, "group"), (TRANSACTION, "transaction")):
                answer = _ask(connection, find_coordinator(PROBE_ID, kind))
                error = error_code(answer)
                if error:
                    return NotYet(f"{name} coordinator: Kafka error {error}")
        with socket.create_connection(coordinator(answer), timeout_s) as connection:
            error = error_code(_ask(connection, init_producer_id(PROBE_ID)))
    except (OSError, struct.error) as fault:
        return NotYet(f"no answer: {fault}")
    return NotYet(f"transactions: Kafka error {error}") if error else None


def find_coordinator(key: str, kind: int) -> bytes:
    """Encode FindCoordinator v2."""
    return _request(FIND_COORDINATOR, 2, _string(key) + struct.pack(">b", kind))


def init_producer_id(transactional_id: str) -> bytes:
    """Encode InitProducerId v1."""
    body = _string(transactional_id) + struct.pack(">i", TRANSACTION_TIMEOUT_MS)
    return _request(INIT_PRODUCER_ID, 1, body)


def error_code(answer: bytes) -> int:
    """Read the error of either answer: correlation id, throttle time, error code."""
    return int(struct.unpack_from(">iih", answer)[2])


def coordinator(answer: bytes) -> tuple[str, int]:
    """Read host and port from an answer to FindCoordinator v2."""
    at = struct.calcsize(">iih")
    (message_bytes,) = struct.unpack_from(">h", answer, at)
    at += 2 + max(0, message_bytes) + 4  # then the node's id
    (host_bytes,) = struct.unpack_from(">h", answer, at)
    host = answer[at + 2 : at + 2 + host_bytes].decode()
    (port,) = struct.unpack_from(">i", answer, at + 2 + host_bytes)
    return host, int(port)


def _request(api: int, version: int, body: bytes) -> bytes:
    header = struct.pack(">hhi", api, version, 1) + _string(PROBE_ID)
    return struct.pack(">i", len(header) + len(body)) + header + body


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def _ask(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    if not 0 < size <= ANSWER_BYTES_MAX:
        raise OSError(f"an answer of {size} bytes is not Kafka's")
    return _receive(connection, size)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionResetError("the broker closed the connection")
        received += part
    return received
