"""Test that one sender makes every outbound connection of the product, Kafka apart (B119).

The usual leftover of a guarded sender is a second one: a notification, a token fetch, a test
button. So whatever can open a connection is named here, with what it may connect to.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "chassis", "gateway", "fanout", "deliverer", "hooklane")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

CLIENT_MODULES = {
    "aiodns", "ftplib", "grpc", "http.client", "httpx", "imaplib", "poplib", "pycares", "pycurl",
    "requests", "smtplib", "socket", "telnetlib", "urllib.request", "urllib3", "websockets",
    "xmlrpc.client", "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}  # fmt: skip
OPENERS = {
    "ClientSession", "TCPConnector", "UnixConnector", "create_connection",
    "create_datagram_endpoint", "create_unix_connection", "open_connection",
    "open_unix_connection", "sock_connect", "sock_sendto", "start_tls", "urlopen",
}  # fmt: skip
# `aiohttp` serves; its client is an opener. Only these may be taken from it without being one.
AIOHTTP_SERVER = {"web", "hdrs", "HttpVersion10", "HttpVersion11", "StreamReader"}

ALLOWED: dict[str, set[str]] = {
    # The one sender, and the look-ups of its receivers.
    "deliverer/resolver.py": {"aiodns", "pycares", "socket"},
    "deliverer/sender/connector.py": {"create_connection", "socket"},
    "deliverer/sender/dial.py": {"sock_connect", "socket"},
    "deliverer/sender/route.py": {"socket"},
    # The collector of traces, named by the operator; its own connection, never a receiver's.
    "chassis/otel.py": {"opentelemetry.exporter.otlp.proto.http.trace_exporter"},
    # Brokers of Kafka, named by the operator.
    "chassis/kafka.py": {"open_connection"},
}
# The command line connects to the gateway, the brokers and the children that its user names.
ALLOWED_ROOM = "hooklane"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _means(tree: ast.AST) -> Iterator[str]:
    """Name whatever in a module can open a connection."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in CLIENT_MODULES)
            yield from (alias.name for alias in node.names if alias.name == "aiohttp")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from _imported_means(node.module, {alias.name for alias in node.names})
        elif isinstance(node, ast.Attribute) and node.attr in OPENERS:
            yield node.attr


def _imported_means(module: str, names: set[str]) -> Iterator[str]:
    if module in CLIENT_MODULES:
        yield module
    yield from (f"{module}.{name}" for name in names if f"{module}.{name}" in CLIENT_MODULES)
    yield from names & OPENERS
    if module == "aiohttp":
        yield from (f"aiohttp.{name}" for name in names - AIOHTTP_SERVER - OPENERS)


TREES = {
    _name(path): ast.parse(path.read_text())
    for path in SOURCES
    if not path.is_relative_to(ROOT / ALLOWED_ROOM)
}


def test_nothing_else_can_open_a_connection() -> None:
    """A new way out needs a line above, which is where its guard is asked for."""
    found = {name: set(_means(tree)) - ALLOWED.get(name, set()) for name, tree in TREES.items()}

    assert {name: means for name, means in found.items() if means} == {}


def test_the_sender_is_made_once() -> None:
    """Deliveries and test events leave through the same object, made in the composition root."""
    made = [
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("HttpSender")
    ]

    assert made == ["deliverer/service.py"]


def test_services_do_not_import_the_command_line() -> None:
    """What the command line may do (its HTTP client) is out of reach for a service."""
    importers = [
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == ALLOWED_ROOM
    ]

    assert importers == []


@pytest.mark.parametrize(
    "code",
    [
        "import requests", "from urllib.request import urlopen", "from urllib import request",
        "import aiohttp", "from aiohttp import ClientSession", "from aiohttp import client",
        "asyncio.open_connection('a', 1)", "loop.sock_connect(s, a)", "import http.client",
        "from socket import create_connection",
    ],
)  # fmt: skip
def test_the_search_sees_every_way_out(code: str) -> None:
    """A search that finds nothing proves nothing."""
    assert set(_means(ast.parse(code)))
