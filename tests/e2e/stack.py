"""The three services as processes of their own on a real Kafka, for one test."""

import asyncio
import base64
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from chassis import kafka, topics
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from hooklane.guard import Guard
from schemas.topics import plan
from tests.ports import free_port

SERVICES = ("gateway", "fanout", "deliverer")


async def eventually(
    check: Callable[[], Awaitable[bool]], *, within_s: float, what: str, every_s: float = 0.1
) -> None:
    """Ask again until a process outside this one says yes, or fail naming what was awaited."""
    pause = asyncio.Event()
    try:
        async with asyncio.timeout(within_s):
            while not await check():
                asyncio.get_running_loop().call_later(every_s, pause.set)
                await pause.wait()
                pause.clear()
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


@dataclass
class Service:
    """One service process, its admin port and its log file."""

    name: str
    process: asyncio.subprocess.Process
    admin_port: int
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process."""
        self.process.send_signal(number)

    async def says(self, text: str, *, within_s: float = 60) -> None:
        """Wait until its log has a text; a process that ended without it fails the test."""

        async def has_said_so() -> bool:
            log = self.log.read_text()
            assert text in log or self.process.returncode is None, log[-3000:]
            return text in log

        await eventually(has_said_so, within_s=within_s, what=f"{self.name}: {text}", every_s=0.02)

    async def exit_code(self, *, within_s: float) -> int:
        """Wait until the process ended."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        """Ask the readiness probe; a process that ended fails the test with its log."""
        if self.process.returncode is not None:
            raise AssertionError(
                f"{self.name} exited {self.process.returncode}:\n{self.log.read_text()[-4000:]}"
            )
        try:
            url = f"http://127.0.0.1:{self.admin_port}/readyz"
            async with session.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@dataclass
class Stack:
    """Start, kill and talk to the services of one topic prefix."""

    bootstrap_servers: str
    prefix: str
    folder: Path
    partitions: int = 4
    replication_factor: int = 1
    extra: dict[str, str] = field(default_factory=dict)
    root_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    gateway_port: int = field(default_factory=free_port)
    running: list[Service] = field(default_factory=list)
    guard: Guard = field(default_factory=Guard)
    vault_key: str = field(
        default_factory=lambda: "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()
    )
    _session: aiohttp.ClientSession | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Give the settings every service of this stack runs with."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLANE_")}  # noqa: TID251
        return kept | {
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": self.prefix,
            "HOOKLANE_TOPICS__PARTITIONS": str(self.partitions),
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": str(self.replication_factor),
            "HOOKLANE_GATEWAY__HOST": "127.0.0.1",
            "HOOKLANE_GATEWAY__PORT": str(self.gateway_port),
            "HOOKLANE_ADMIN__HOST": "127.0.0.1",
            "HOOKLANE_AUTH__ROOT_KEY": self.root_key,
            "HOOKLANE_VAULT__KEYS": self.vault_key,
            "HOOKLANE_EGRESS__ALLOW_HTTP": "true",
            "HOOKLANE_EGRESS__ALLOW_CIDRS": "127.0.0.1/32",
            "HOOKLANE_REGISTRY__WRITE_DEADLINE_S": "10",  # a busy machine, a fresh broker
            # Receivers here fail on purpose: a breaker that opens must not outlast the test.
            "HOOKLANE_BREAKER__PROBE_S": "0.2",
            "HOOKLANE_BREAKER__PROBE_MAX_S": "0.2",
            **self.extra,
        }

    async def topics(self) -> None:
        """Create the topics as `hooklane topics apply` does, without a process for it."""
        wanted = plan(self.prefix, self.partitions, self.replication_factor)
        servers = tuple(self.bootstrap_servers.split(","))
        client = kafka.admin(KafkaSettings(bootstrap_servers=servers), client_id="test")
        await kafka.start(client)

        async def are_there() -> bool:
            with suppress(KafkaUnavailable):  # one of several brokers has not heard of a new topic
                return not await topics.inspect(client, wanted)
            return False

        try:
            await topics.create_missing(client, wanted)
            await eventually(are_there, within_s=60, what="topics as planned")
        finally:
            await kafka.retire(client)

    async def command(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run `hooklane …` to its end and give exit code and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hooklane",
            *arguments,
            env=self.environment | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def start(self, *names: str) -> list[Service]:
        """Start services (all three by default) and wait until they are ready."""
        started = [await self.spawn(name) for name in names or SERVICES]
        await self.ready(*started)
        return started

    async def spawn(self, name: str, **environment: str) -> Service:
        """Start one service process without waiting for it."""
        port = free_port()
        log = self.folder / f"{name}-{len(self.running)}.log"
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                name,
                env=self.environment | {"HOOKLANE_ADMIN__PORT": str(port)} | environment,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
            )
        self.guard.watch(process.pid)  # a run that is interrupted leaves nothing behind
        service = Service(name, process, port, log)
        self.running.append(service)
        return service

    async def ready(self, *services: Service) -> None:
        """Wait until each service says it is ready."""
        for service in services:
            await eventually(
                partial(service.is_ready, self.session),
                within_s=60,
                what=f"{service.name} ready; log: {service.log.read_text()[-2000:]}",
            )

    @property
    def session(self) -> aiohttp.ClientSession:
        """Give the HTTP session with the root key."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self.root_key}"},
                timeout=aiohttp.ClientTimeout(total=20),
            )
        return self._session

    async def api(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        """Call the gateway; gives status and decoded body."""
        url = f"http://127.0.0.1:{self.gateway_port}{path}"
        async with self.session.request(method, url, **arguments) as answer:
            is_json = "json" in answer.content_type
            return answer.status, await (answer.json() if is_json else answer.text())

    async def subscribe(self, subscriber: str, url: str, **fields: Any) -> dict[str, Any]:
        """Create a subscription and give the gateway's answer."""
        status, body = await self.api(
            "POST", f"/v1/subscribers/{subscriber}/subscriptions", json={"url": url, **fields}
        )
        assert status == 201, body
        return dict(body)

    async def publish(self, subscriber: str, data: Any, **fields: Any) -> dict[str, Any]:
        """Publish one event and give the 202's body."""
        event = {"subscriber": subscriber, "type": "order.paid", "data": data, **fields}
        status, body = await self.api("POST", "/v1/events", json=event)
        assert status == 202, body
        return dict(body)

    async def stop(self) -> None:
        """End every process that is still there, the kind way first."""
        if self._session is not None:
            await self._session.close()
        alive = [s for s in self.running if s.process.returncode is None]
        for service in alive:
            service.signal(signal.SIGCONT)
            service.signal(signal.SIGTERM)
        for service in alive:
            try:
                await service.exit_code(within_s=30)
            except TimeoutError:
                service.signal(signal.SIGKILL)
                await service.process.wait()
        for service in self.running:
            self.guard.forget(service.process.pid)
        self.guard.close()
