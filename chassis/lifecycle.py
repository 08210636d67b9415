"""The life of a process: start in order, serve, drain, stop in reverse, one exit code.

Components are listed dependencies first (admin server, tables, producers … and last what takes work
in: listener, consumer). Hence:
- start in the given order; the admin server comes first so that probes are answered meanwhile;
- SIGTERM or SIGINT: readiness off, then `drain` in REVERSE order, so that intake stops before what
  it feeds; all drains share one deadline, `HOOKLANE_LIFECYCLE__SHUTDOWN_S`;
- `stop` in reverse order, of everything whose `start` was entered, even if it failed;
- a second signal has its default effect: the process is gone at once, without code of ours. That is
  safe because what matters is in Kafka (a kill -9 is), and works even when the loop is stuck.
A signal while starting cancels the start and stops what was started.

Exit codes: 0 ended by a signal · 1 something crashed · 4 refused to run (StartRefused).
"""

import argparse
import asyncio
import inspect
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol, TypeVar, runtime_checkable

import orjson
from structlog.typing import FilteringBoundLogger

from chassis import collector, logs
from chassis.admin import AdminServer
from chassis.metrics import product_version
from chassis.refusal import SettingsError, StartRefused
from chassis.settings import ServiceSettings, describe, load

__all__ = ["Component", "StartRefused", "Watched", "command", "run"]

EXIT_OK, EXIT_FAILURE, EXIT_REFUSED = 0, 1, 4
STOP_S = 4.0
"""Seconds for each `stop`, so that 25 s of drain and a stop fit into Kubernetes' 30 s."""

DRAIN_GRACE_S = 0.5
"""What a drain may overrun its deadline before it is cancelled."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)
S = TypeVar("S", bound=ServiceSettings)
Build = Callable[[S], Sequence["Component"] | Awaitable[Sequence["Component"]]]


class Component(Protocol):
    """A long-lived thing. tests/contract/lifecycle.py says what it must stand."""

    async def start(self) -> None:
        """Come up; may raise StartRefused. Cancelled or failed, `stop` still follows."""
        ...

    async def drain(self, deadline_s: float) -> None:
        """Take nothing new, finish what runs within `deadline_s` seconds."""
        ...

    async def stop(self) -> None:
        """Release everything; also without start, and twice."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A component with a background task whose crash must end the process."""

    async def wait_failed(self) -> BaseException:
        """Wait until the background task crashes and return (or raise) what ended it."""
        ...


async def run(
    components: Sequence[Component],
    *,
    shutdown_s: float,
    log: FilteringBoundLogger,
    admin: AdminServer | None = None,
    stop: asyncio.Event | None = None,
) -> int:
    """Run until a signal, a crash or a refusal; returns the exit code.

    Who passes `stop` sees to signals, and sets it instead.
    `admin` defaults to the AdminServer among the components; one that is not among them is started
    before and stopped after the others.
    """
    admin = admin or next((c for c in components if isinstance(c, AdminServer)), None)
    if admin is not None and admin not in components:
        components = [admin, *components]
    life = _Life(components, log=log, admin=admin, stopping=stop or asyncio.Event())
    with nullcontext() if stop is not None else _signals(life.stopping, log):
        try:
            await life.start()
            await life.serve()
            await life.drain(shutdown_s)
        finally:
            await life.stop()
    log.info("process.ended", exit_code=life.exit_code)
    return life.exit_code


class _Life:
    """One pass through the stages of `run`; a crash is a stop with another exit code."""

    def __init__(
        self,
        components: Sequence[Component],
        *,
        log: FilteringBoundLogger,
        admin: AdminServer | None,
        stopping: asyncio.Event,
    ) -> None:
        self.exit_code = EXIT_OK
        self.stopping = stopping
        self._components = components
        self._log = log
        self._admin = admin
        self._touched: list[Component] = []
        self._running: list[Component] = []
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        starting = asyncio.create_task(self._start_all(), name="start")
        signalled = asyncio.create_task(self.stopping.wait(), name="signal")
        try:
            await asyncio.wait({starting, signalled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            signalled.cancel()
            await _end(starting, timeout_s=STOP_S)
        if not starting.cancelled() and starting.done() and (error := starting.exception()):
            self._fail(error)

    async def serve(self) -> None:
        if self.stopping.is_set():
            return
        if self._admin is not None:
            self._admin.set_ready(True)
        self._log.info("process.ready")
        await self.stopping.wait()

    async def drain(self, shutdown_s: float) -> None:
        if self._admin is not None:
            self._admin.set_ready(False)
        await self._unwatch()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + shutdown_s
        for component in reversed(self._running):
            left_s = max(0.0, deadline - loop.time())
            await self._finish(component, "drain", component.drain(left_s), left_s + DRAIN_GRACE_S)
        self._running.clear()

    async def stop(self) -> None:
        await self._unwatch()
        while self._touched:
            component = self._touched.pop()
            await self._finish(component, "stop", component.stop(), STOP_S)

    async def _start_all(self) -> None:
        for component in self._components:
            self._touched.append(component)
            await component.start()
            self._running.append(component)
            if isinstance(component, Watched):
                self._watchers.append(asyncio.create_task(self._watch(component)))

    async def _watch(self, component: Watched) -> None:
        try:
            error = await component.wait_failed()
        except Exception as raised:  # noqa: BLE001 - whatever it is, it ended the component
            error = raised
        self._fail(error, component=type(component).__name__)

    async def _unwatch(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            await _end(watcher, timeout_s=STOP_S)

    def _fail(self, error: BaseException, **fields: str) -> None:
        self.stopping.set()
        if self.exit_code != EXIT_OK:
            return
        if isinstance(error, StartRefused):
            self.exit_code = EXIT_REFUSED
            self._log.error("process.refused", reason=str(error), **fields)
        else:
            self.exit_code = EXIT_FAILURE
            self._log.error("process.crashed", error=error, exc_info=error, **fields)

    async def _finish(
        self, component: Component, step: str, work: Coroutine[object, object, None], bound_s: float
    ) -> None:
        name = type(component).__name__
        task = asyncio.create_task(work, name=f"{step} {name}")
        try:
            await asyncio.wait({task}, timeout=bound_s)
        finally:
            is_late = await _end(task, timeout_s=1.0)
        if is_late:
            self._log.warning("process.late", step=step, late=name, bound_s=round(bound_s, 1))
        elif not task.cancelled() and (error := task.exception()):
            self.exit_code = self.exit_code or EXIT_FAILURE
            self._log.error(f"process.{step}_failed", failed=name, exc_info=error)


async def _end(task: asyncio.Task[None], *, timeout_s: float) -> bool:
    """Cancel a task that still runs and give it a bounded time; True if it did run."""
    if task.done():
        return False
    task.cancel()
    await asyncio.wait({task}, timeout=timeout_s)
    return True


@contextmanager
def _signals(stopping: asyncio.Event, log: FilteringBoundLogger) -> Iterator[None]:
    """Turn the first signal into `stopping` and give the next one its default effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def on_signal(number: signal.Signals) -> None:
        for other in SIGNALS:
            loop.remove_signal_handler(other)
            signal.signal(other, signal.SIG_DFL)
        log.info("process.stopping", signal=number.name)
        stopping.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def command(settings_model: type[S], build: Build[S], *, name: str) -> Callable[..., int]:
    """Make the `main(argv)` of a service; `build` wires its components, dependencies first."""

    def main(argv: Sequence[str] | None = None) -> int:
        options = _parse(name, argv)
        try:
            settings = load(settings_model)
        except SettingsError as error:
            sys.stderr.writelines(f"{name}: {problem}\n" for problem in error.problems)
            return EXIT_REFUSED
        if options.check_config:
            shown = orjson.dumps(describe(settings), option=orjson.OPT_INDENT_2)
            sys.stdout.write(shown.decode() + "\n")
            return EXIT_OK
        logs.configure(settings.log, name)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_live(settings, build, name))

    return main


def _parse(name: str, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"hooklane {name}",
        description=f"Run the {name} until SIGTERM. All settings are HOOKLANE_* variables.",
    )
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="print the effective settings, secrets masked, and exit: 0 valid, 4 not",
    )
    parser.add_argument("--version", action="version", version=f"hooklane {product_version()}")
    return parser.parse_args(argv)


async def _live(settings: S, build: Build[S], name: str) -> int:
    log = logs.get("lifecycle")
    stopping = asyncio.Event()
    with _signals(stopping, log):  # from the first line on, a signal is an orderly end
        log.info("process.starting", version=product_version())
        try:
            built = build(settings)
            components = await built if inspect.isawaitable(built) else built
        except StartRefused as error:
            log.error("process.refused", reason=str(error))  # noqa: TRY400 - one line, no traceback
            return EXIT_REFUSED
        collector.spare()
        shutdown_s = settings.lifecycle.shutdown_s
        return await run(components, shutdown_s=shutdown_s, log=log, stop=stopping)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    return uvloop.new_event_loop
