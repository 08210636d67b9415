"""The three services as child processes: started, watched until ready, stopped in order."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hooklane.dev.plan import SERVICES, StackPlan, service_command, service_environment
from hooklane.exits import FAILURE, CommandFailed
from hooklane.guard import Guard

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.2
PROBE_TIMEOUT_S = 2.0
TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Service:
    """One running child."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def tail(self) -> str:
        """Return the last lines of its output."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        lines = text.splitlines()[-TAIL_LINES:] or ["(no output)"]
        return "\n".join([f"--- {self.name}, {self.log}:", *lines])


class Services:
    """All children of one stack; logs go to files in `folder`."""

    def __init__(
        self,
        plan: StackPlan,
        folder: Path,
        guard: Guard,
        *,
        command: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._guard = guard
        self._command = command or {name: service_command(name) for name in SERVICES}
        self._running: list[Service] = []

    async def start(self, inherited: Mapping[str, str]) -> None:
        """Start every service, downstream first."""
        for name in SERVICES:
            log = self._folder / f"{name}.log"
            with log.open("ab") as sink:
                process = await asyncio.create_subprocess_exec(
                    *self._command[name],
                    env=service_environment(inherited, self._plan, name),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    start_new_session=True,  # Ctrl-C is ours to pass on, in our order
                )
            self._guard.watch(process.pid)
            self._running.append(Service(name, process, log))

    async def wait_ready(self, *, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until every /readyz says yes; CommandFailed shows the log of one that won't."""
        waiting = {service.name for service in self._running}
        probe = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s), aiohttp.ClientSession(timeout=probe) as session:
                while waiting:
                    for name in list(waiting):
                        self._check_alive()
                        if await _is_ready(session, f"{self._plan.admin_url(name)}/readyz"):
                            waiting.discard(name)
                    if waiting:
                        await asyncio.sleep(POLL_S)
        except TimeoutError:
            names = ", ".join(sorted(waiting))
            text = f"not ready within {timeout_s:g} s: {names}\n{self.tails(waiting)}"
            raise CommandFailed(FAILURE, text) from None

    async def wait_failed(self) -> None:
        """Wait until a service ends on its own, then raise CommandFailed with its log."""
        ends = [asyncio.create_task(service.process.wait()) for service in self._running]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        self._check_alive()

    async def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End every service in reverse order: SIGTERM, and SIGKILL after a bound."""
        for service in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                service.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout_s):
                    await service.process.wait()
            except TimeoutError:
                service.process.kill()
                await service.process.wait()
            self._guard.forget(service.process.pid)
        self._running.clear()

    def kill(self) -> None:
        """End every service at once."""
        for service in self._running:
            with contextlib.suppress(ProcessLookupError):
                service.process.kill()

    def tails(self, names: Sequence[str] | set[str] = SERVICES) -> str:
        """Return the last log lines of these services."""
        return "\n".join(service.tail() for service in self._running if service.name in names)

    def _check_alive(self) -> None:
        for service in self._running:
            code = service.process.returncode
            if code is not None:
                text = f"{service.name} ended (exit {code})\n{service.tail()}"
                raise CommandFailed(FAILURE, text)


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200  # noqa: PLR2004 - HTTP's own number
    except (aiohttp.ClientError, TimeoutError):
        return False
