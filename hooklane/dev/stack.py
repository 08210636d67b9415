"""`hooklane dev`: bring everything up, show one delivery, stay up, take everything down."""

import asyncio
import base64
import contextlib
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from chassis.clock import SystemClock
from hooklane import topics_command
from hooklane.dev import story
from hooklane.dev.plan import (
    BOOTSTRAP,
    HOST,
    SERVICES,
    StackPlan,
    curl_line,
    service_environment,
)
from hooklane.dev.processes import Services
from hooklane.dev.warm_up import open_transactions
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from hooklane.exits import FAILURE, INTERRUPTED, OK, CommandFailed
from hooklane.guard import Guard
from hooklane.kafka_properties import free_ports
from hooklane.output import BOLD, Paint, has_color, report
from hooklane.receiver import Arrival, Receiver, describe
from hooklane.signature import Verified, secret_bytes

FIRST_DELIVERY_TIMEOUT_S = 60.0
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options."""

    once: bool
    port: int
    keep: bool


def run(options: Options, variables: Mapping[str, str]) -> int:
    """Run the stack to its end; returns the exit code."""
    check_port_free(options.port)
    guard = Guard()
    folder = Path(tempfile.mkdtemp(prefix="hooklane-dev-"))
    if not options.keep:
        guard.watch_folder(folder)
    try:
        with _sigterm_as_interrupt(), _kafka(options, variables, folder) as bootstrap:
            plan = make_plan(bootstrap, options.port, variables)
            stack = DevStack(plan, options, variables, folder=folder, guard=guard)
            return asyncio.run(stack.run())
    except EmbeddedKafkaError as error:
        raise CommandFailed(FAILURE, str(error)) from error
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if options.keep:
            report(f"logs and data are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        guard.close()


def check_port_free(port: int) -> None:
    """Raise CommandFailed with a clear line when another program has the gateway's port."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError as error:
            text = f"port {port} is not free ({error.strerror}): choose another, as --port 8081"
            raise CommandFailed(FAILURE, text) from error


def make_plan(
    bootstrap: str,
    port: int,
    variables: Mapping[str, str],
    *,
    draw_ports: Callable[[int], list[int]] = free_ports,
) -> StackPlan:
    """Choose ports and make keys; a Kafka of somebody else gets topics of a name of our own.

    Keys are new in every run, so topics of an earlier one could not be opened. Raises CommandFailed
    when hardly any port is free.
    """
    prefix = variables.get("HOOKLANE_TOPICS__PREFIX", "")
    own = f"hooklane-dev-{secrets.token_hex(3)}" if variables.get(BOOTSTRAP) else "hooklane"
    try:
        drawn = draw_ports(1 + len(SERVICES))
    except OSError as error:
        raise CommandFailed(FAILURE, f"no ports for the services: {error}") from error
    gateway_port = port or drawn[0]
    others = [one for one in drawn if one != gateway_port]
    return StackPlan(
        bootstrap_servers=bootstrap,
        prefix=prefix or own,
        gateway_port=gateway_port,
        admin_ports=dict(zip(SERVICES, others, strict=False)),
        root_key=secrets.token_urlsafe(32),
        vault_key=f"dev:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    )


class DevStack:
    """Everything but Kafka, inside one event loop."""

    def __init__(
        self,
        plan: StackPlan,
        options: Options,
        variables: Mapping[str, str],
        *,
        folder: Path,
        guard: Guard,
    ) -> None:
        self._plan = plan
        self._options = options
        self._variables = variables
        self._folder = folder
        self._services = Services(plan, folder, guard)
        self._paint = Paint(is_on=has_color(sys.stdout, variables))
        self._secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        self._verified: set[str] = set()
        self._has_news = asyncio.Event()
        self._is_up = False
        clock = SystemClock()
        self._receiver = Receiver(
            key=secret_bytes(self._secret),
            now_s=lambda: clock.now_ms() / 1000,
            on_arrival=self._show,
        )

    async def run(self) -> int:
        """Start, tell the story, stay; every way out stops what was started."""
        work = asyncio.create_task(self._work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, work)
        try:
            return await work
        except asyncio.CancelledError:
            return OK if self._is_up else INTERRUPTED

    async def _work(self) -> int:
        try:
            receiver_port = await self._receiver.start(HOST, 0)
            await self._apply_topics()
            report(f"services {', '.join(reversed(SERVICES))}")
            await self._services.start(self._variables)
            await self._services.wait_ready()
            hook_url = f"http://{HOST}:{receiver_port}/hooks"
            published = await story.tell(
                self._plan, hook_url=hook_url, secret=self._secret, say=print
            )
            await self._first_delivery(published.webhook_id)
            if not self._options.once:
                print(self._farewell(hook_url), flush=True)
                await self._services.wait_failed()
            return OK
        finally:
            report("stopping")
            await self._services.stop()
            await self._receiver.stop()

    async def _apply_topics(self) -> None:
        environment = service_environment(self._variables, self._plan, "gateway")
        settings = topics_command.read_settings(environment)
        applied = await topics_command.apply(settings)
        wrong = [str(one) for one in applied.differences if one.is_fatal]
        if wrong:
            raise CommandFailed(FAILURE, f"the topics there are of another kind: {wrong[0]}")
        await open_transactions(settings.kafka, self._plan.prefix)
        report(f"topics {self._plan.prefix}.*: {settings.topics.partitions} partitions each")

    async def _first_delivery(self, webhook_id: str) -> None:
        """Wait for the delivery of the demo's event; it may be here before its 202."""
        try:
            async with asyncio.timeout(FIRST_DELIVERY_TIMEOUT_S):
                while webhook_id not in self._verified:
                    self._has_news.clear()
                    await self._has_news.wait()
        except TimeoutError:
            text = f"no verified delivery within {FIRST_DELIVERY_TIMEOUT_S:g} s"
            raise CommandFailed(FAILURE, f"{text}\n{self._services.tails()}") from None
        self._is_up = True

    def _show(self, arrival: Arrival) -> None:
        print(describe(arrival, self._paint), flush=True)
        if isinstance(arrival.verdict, Verified) and not self._is_up:
            self._verified.add(arrival.verdict.webhook_id)
            self._has_news.set()

    def _interrupt(self, work: "asyncio.Task[int]") -> None:
        """Stop in order at the first signal, at once at the second."""
        if work.cancelling():
            self._services.kill()
        work.cancel()

    def _farewell(self, hook_url: str) -> str:
        plan, paint = self._plan, self._paint
        rows = [
            ("API", f"{plan.gateway_url}/v1"),
            ("receiver", f"{hook_url}  secret {self._secret}"),
            ("Kafka", f"{plan.bootstrap_servers}  topics {plan.prefix}.*"),
            *((name, f"{plan.admin_url(name)}/metrics  /readyz") for name in reversed(SERVICES)),
            ("logs", str(self._folder)),
        ]
        lines = [paint("\nIt is up. Ctrl-C stops it.", BOLD)]
        lines += [f"  {name:<10} {text}" for name, text in rows]
        lines += [f"\nexport HOOKLANE_URL={plan.gateway_url} HOOKLANE_KEY={plan.root_key}"]
        lines += ["\nOne more event:", curl_line(plan, story.SUBSCRIBER)]
        return "\n".join(lines)


@contextlib.contextmanager
def _kafka(options: Options, variables: Mapping[str, str], folder: Path) -> Iterator[str]:
    given = variables.get(BOOTSTRAP, "")
    if given:
        report(f"Kafka {given} (from {BOOTSTRAP})")
        yield given
        return
    report("Kafka starts")
    with EmbeddedKafka(folder=folder / "kafka", keep=options.keep, variables=variables) as node:
        report(f"Kafka {node.bootstrap_servers}")
        yield node.bootstrap_servers


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end blocking steps the way Ctrl-C does, with everything cleaned up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
