"""Tests of what is said of the place where it runs."""

import asyncio
import base64
import socket

import pytest

from chassis.egress_proxy import ProxyAddress
from chassis.settings import ServiceSettings, load
from deliverer.settings import DelivererSettings
from hooklane.doctor import place
from hooklane.doctor.findings import Finding

VARIABLES = {
    "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
    "HOOKLANE_VAULT__KEYS": "k1:" + base64.b64encode(b"k" * 32).decode(),
    "HOOKLANE_ADMIN__PORT": "1",
}
SETTINGS = load(DelivererSettings, VARIABLES)


@pytest.mark.parametrize(("limit", "status"), [(1 << 20, "ok"), (1024, "warn")])
def test_too_few_descriptors_are_a_warning(limit: int, status: str) -> None:
    """The deliverer then does less at once, by itself."""
    found = place.judge_descriptors(SETTINGS, limit)

    assert found.status == status
    assert place.hard_limit() > 0


async def test_what_must_listen_is_knocked_at() -> None:
    """The proxy is needed, the collector only wanted."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        there, gone = server.sockets[0].getsockname()[1], unused.getsockname()[1]
        proxies = [
            await place.judge_way_out(ProxyAddress.parse(f"http://u:hunter2@127.0.0.1:{port}"))
            for port in (there, gone)
        ]
        collectors = [
            await place.judge_collector(f"http://127.0.0.1:{port}/v1/traces")
            for port in (there, gone)
        ]
    server.close()

    assert [one.status for one in proxies] == ["ok", "fail"]
    assert [one.status for one in collectors] == ["ok", "warn"]
    assert (await place.judge_collector(None)).status == "skip"
    assert "hunter2" not in str(proxies)


READY = b'{"ready": true, "state": "running", "checks": {"group": true}}'
UNREADY = b'{"ready": false, "state": "running", "checks": {"group": "not a member", "x": true}}'


@pytest.mark.parametrize(
    ("status", "body", "found", "seen"),
    [
        (200, READY, "ok", "ready"),
        (503, UNREADY, "fail", "group: not a member"),
        (200, b"<html>", "fail", "another program"),
        (404, b"{}", "fail", "another program"),
    ],
)
async def test_readiness_is_asked_where_it_is_wanted(
    status: int, body: bytes, found: str, seen: str
) -> None:
    """With the reasons the service gives."""
    (one,) = await _asked(status, body)

    assert one.status == found
    assert seen in one.seen


async def test_a_service_that_is_not_here_is_no_fault() -> None:
    """But one that was named is."""
    services: dict[str, ServiceSettings] = {"deliverer": SETTINGS}

    (here,) = await place.judge_services(services, [])
    (named,) = await place.judge_services(services, ["http://127.0.0.1:1"])

    assert (here.status, named.status) == ("skip", "fail")


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"info": {"title": "hooklane"}}', "ok"), (b"hello", "fail")]
)
async def test_the_gateway_is_told_from_other_programs(body: bytes, status: str) -> None:
    """By its description, which needs no key."""
    server, url = await _serve(200, body)
    async with server:
        found = await asyncio.to_thread(place.judge_gateway, url)

    assert found.status == status
    assert place.judge_gateway("http://127.0.0.1:1").status == "fail"


async def _asked(status: int, body: bytes) -> list[Finding]:
    server, url = await _serve(status, body)
    async with server:
        return await place.judge_services({}, [url])


async def _serve(status: int, body: bytes) -> tuple[asyncio.Server, str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
