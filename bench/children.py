"""Child processes of a run: started, asked for their CPU time, ended by id."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hooklane.guard import Guard

STOP_S = 15.0
_PROCESS_CPU_CLOCK = 2  # CPUCLOCK_SCHED of Linux: the clock of a whole process, in nanoseconds


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used with all its threads, ended ones included."""
    return time.clock_gettime((~pid << 3) | _PROCESS_CPU_CLOCK)


@dataclass(frozen=True, slots=True)
class Child:
    """One running process."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def cpu_s(self) -> float:
        """Return the CPU seconds it has used."""
        return cpu_s(self.process.pid)

    def check(self) -> None:
        """Raise, with the end of its output, when it has ended."""
        if self.process.returncode is not None:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended ({self.process.returncode}):\n{tail}")

    async def ask(self, question: Mapping[str, object], *, timeout_s: float = 60) -> object:
        """Write one JSON line to a worker of ours and read its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        async with asyncio.timeout(timeout_s):
            line = await self.process.stdout.readline()
        if not line:
            await self.process.wait()
            self.check()
        return json.loads(line)


class Children:
    """All processes of a run; they end with it, also when it is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = Guard()
        self._running: list[Child] = []

    async def start(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        is_worker: bool = False,
    ) -> Child:
        """Start `python …`; a worker answers questions on its standard output."""
        log = self._folder / f"{name}-{len(self._running)}.log"
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env=dict(environment),
                stdin=asyncio.subprocess.PIPE if is_worker else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if is_worker else sink,
                stderr=sink,
                start_new_session=True,
            )
        self._guard.watch(process.pid)
        child = Child(name, process, log)
        self._running.append(child)
        return child

    def find(self, name: str) -> Child | None:
        """Return the running process of this name that was started last."""
        return next((child for child in reversed(self._running) if child.name == name), None)

    async def stop(self, child: Child) -> None:
        """End one process: SIGTERM, then SIGKILL after a bound."""
        if child.process.returncode is None:
            child.process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await child.process.wait()
            except TimeoutError:
                child.process.kill()
                await child.process.wait()
        self._guard.forget(child.process.pid)
        self._running.remove(child)

    async def close(self) -> None:
        """End whatever still runs."""
        for child in list(reversed(self._running)):
            await self.stop(child)
        self._guard.close()
