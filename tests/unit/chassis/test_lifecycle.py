"""The life of a process: order, signals, crashes, refusals and bounds."""

import asyncio
import os
import signal

import pytest
import structlog
from structlog.testing import CapturingLogger

from chassis.admin import AdminServer
from chassis.lifecycle import StartRefused, run
from chassis.metrics import make_registry
from chassis.settings import AdminSettings

TURNS_MAX = 100_000


class Recorder:
    """What happened, in order; and the log."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.logger = CapturingLogger()
        self.log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            self.logger,
            processors=[],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )

    def logged(self) -> list[str]:
        """Return the events that were logged."""
        return [str(call.kwargs["event"]) for call in self.logger.calls]

    def fields(self, event: str) -> dict[str, object]:
        """Return the fields of one logged event."""
        [call] = [call for call in self.logger.calls if call.kwargs["event"] == event]
        return dict(call.kwargs)


class Part:
    """A component that writes down its life; single steps can be made to fail or hang."""

    def __init__(self, name: str, recorder: Recorder, **faults: BaseException | asyncio.Event):
        self.name = name
        self.drained_for_s: float | None = None
        self._recorder = recorder
        self._faults = faults

    async def start(self) -> None:
        """Come up."""
        await self._step("start")

    async def drain(self, deadline_s: float) -> None:
        """Finish."""
        self.drained_for_s = deadline_s
        await self._step("drain")

    async def stop(self) -> None:
        """Release."""
        await self._step("stop")

    async def _step(self, step: str) -> None:
        self._recorder.steps.append(f"{step} {self.name}")
        fault = self._faults.get(step)
        if isinstance(fault, asyncio.Event):
            await fault.wait()
        elif fault is not None:
            raise fault


class Watched(Part):
    """A component with a background task."""

    def __init__(self, name: str, recorder: Recorder) -> None:
        super().__init__(name, recorder)
        self.crash: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def wait_failed(self) -> BaseException:
        """Wait for the crash."""
        return await self.crash


@pytest.fixture
def recorder() -> Recorder:
    """Give an empty record."""
    return Recorder()


@pytest.fixture
def stop() -> asyncio.Event:
    """Give a stop that is not set."""
    return asyncio.Event()


async def _until(recorder: Recorder, event: str) -> None:
    for _ in range(TURNS_MAX):
        if event in recorder.logged() + recorder.steps:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{event} never came: {recorder.logged()} {recorder.steps}")


async def test_starts_in_order_and_ends_in_reverse(recorder: Recorder, stop: asyncio.Event) -> None:
    """Dependencies first; intake, which is last, is drained and stopped first."""
    parts = [Part("table", recorder), Part("intake", recorder)]
    life = asyncio.create_task(run(parts, shutdown_s=5, log=recorder.log, stop=stop))
    await _until(recorder, "process.ready")

    stop.set()

    assert await life == 0
    assert recorder.steps == [
        "start table", "start intake",
        "drain intake", "drain table",
        "stop intake", "stop table",
    ]  # fmt: skip


async def test_readiness_frames_the_service(recorder: Recorder, stop: asyncio.Event) -> None:
    """The admin server starts first, is ready only when all run, and not during the drain."""
    gate = asyncio.Event()
    admin = AdminServer(
        AdminSettings(host="127.0.0.1", port=0), checks={}, registry=make_registry("shop")
    )
    seen: list[str] = []

    class Intake(Part):
        async def start(self) -> None:
            seen.append(f"start: port {bool(admin.port)} ready {admin.is_ready}")

        async def drain(self, deadline_s: float) -> None:
            seen.append(f"drain: port {bool(admin.port)} ready {admin.is_ready}")
            gate.set()

    life = asyncio.create_task(
        run([Intake("intake", recorder)], shutdown_s=5, log=recorder.log, admin=admin, stop=stop)
    )
    await _until(recorder, "process.ready")
    seen.append(f"run: ready {admin.is_ready}")
    stop.set()

    assert await life == 0
    assert seen == [
        "start: port True ready False", "run: ready True", "drain: port True ready False",
    ]  # fmt: skip


async def test_drains_share_one_deadline(recorder: Recorder, stop: asyncio.Event) -> None:
    """What the first one used is gone; the last gets the rest, never less than nothing."""
    first, second = Part("a", recorder), Part("b", recorder)
    life = asyncio.create_task(run([first, second], shutdown_s=7, log=recorder.log, stop=stop))
    await _until(recorder, "process.ready")

    stop.set()

    assert await life == 0

    assert first.drained_for_s is not None
    assert second.drained_for_s is not None
    assert 0 <= first.drained_for_s <= second.drained_for_s <= 7


async def test_a_hanging_drain_is_cut_off(recorder: Recorder, stop: asyncio.Event) -> None:
    """One component cannot take the time of the others' stop."""
    hanging = Part("slow", recorder, drain=asyncio.Event())
    life = asyncio.create_task(
        run([Part("table", recorder), hanging], shutdown_s=0.01, log=recorder.log, stop=stop)
    )
    await _until(recorder, "process.ready")

    stop.set()

    assert await life == 0
    assert recorder.steps[-2:] == ["stop slow", "stop table"]
    assert recorder.fields("process.late")["step"] == "drain"


async def test_a_crash_ends_the_process(recorder: Recorder) -> None:
    """One clear line, an orderly end, exit code 1: restarting is the orchestrator's job."""
    part = Watched("worker", recorder)
    life = asyncio.create_task(run([part], shutdown_s=5, log=recorder.log))
    await _until(recorder, "process.ready")

    part.crash.set_result(ValueError("broken"))

    assert await life == 1
    assert recorder.steps == ["start worker", "drain worker", "stop worker"]
    assert recorder.fields("process.crashed")["component"] == "Watched"
    assert recorder.logged().count("process.crashed") == 1


async def test_a_crash_that_is_raised_counts_the_same(recorder: Recorder) -> None:
    """`wait_failed` may return or raise."""
    part = Watched("worker", recorder)
    part.crash.set_exception(ValueError("broken"))

    assert await run([part], shutdown_s=5, log=recorder.log) == 1


async def test_a_later_refusal_has_the_code_of_a_refusal(recorder: Recorder) -> None:
    """Topics can be checked only when the broker answers, long after start."""
    part = Watched("worker", recorder)
    part.crash.set_result(StartRefused("run `hooklane topics apply`"))

    assert await run([part], shutdown_s=5, log=recorder.log) == 4
    assert recorder.fields("process.refused")["reason"] == "run `hooklane topics apply`"


async def test_a_refused_start_stops_what_was_started(recorder: Recorder) -> None:
    """Also the one that failed half-way; those never started are left alone."""
    parts = [
        Part("a", recorder),
        Part("b", recorder, start=StartRefused("do this")),
        Part("c", recorder),
    ]

    assert await run(parts, shutdown_s=5, log=recorder.log) == 4
    assert recorder.steps == ["start a", "start b", "drain a", "stop b", "stop a"]
    assert "process.ready" not in recorder.logged()


async def test_a_failed_start_is_a_crash(recorder: Recorder) -> None:
    """Not every fault is the operator's."""
    assert await run([Part("a", recorder, start=OSError("x"))], shutdown_s=5, log=recorder.log) == 1


async def test_a_stop_while_starting_cancels_the_start(
    recorder: Recorder, stop: asyncio.Event
) -> None:
    """A service that waits for its broker ends at once."""
    parts = [Part("a", recorder), Part("waits", recorder, start=asyncio.Event())]
    life = asyncio.create_task(run(parts, shutdown_s=5, log=recorder.log, stop=stop))
    await _until(recorder, "start waits")

    stop.set()

    assert await life == 0
    assert recorder.steps == ["start a", "start waits", "drain a", "stop waits", "stop a"]


@pytest.mark.parametrize("step", ["drain", "stop"])
async def test_a_fault_at_the_end_does_not_keep_the_others_open(
    recorder: Recorder, stop: asyncio.Event, step: str
) -> None:
    """Every component is stopped; the exit code tells that something went wrong."""
    parts = [Part("a", recorder), Part("b", recorder, **{step: OSError("x")})]
    life = asyncio.create_task(run(parts, shutdown_s=5, log=recorder.log, stop=stop))
    await _until(recorder, "process.ready")

    stop.set()

    assert await life == 1
    assert recorder.steps[-2:] == ["stop b", "stop a"]
    assert f"process.{step}_failed" in recorder.logged()


async def test_a_cancelled_run_still_stops_everything(recorder: Recorder) -> None:
    """Nothing outlives the call."""
    before = asyncio.all_tasks()
    life = asyncio.create_task(run([Watched("a", recorder)], shutdown_s=5, log=recorder.log))
    await _until(recorder, "process.ready")

    life.cancel()
    await asyncio.wait({life})

    assert recorder.steps[-1] == "stop a"
    assert asyncio.all_tasks() == before


async def test_the_first_signal_stops_and_the_handlers_are_given_back(recorder: Recorder) -> None:
    """SIGTERM to this very process ends the run with code 0."""
    before = signal.getsignal(signal.SIGTERM)
    life = asyncio.create_task(run([Part("a", recorder)], shutdown_s=5, log=recorder.log))
    await _until(recorder, "process.ready")

    os.kill(os.getpid(), signal.SIGTERM)

    assert await life == 0
    assert recorder.fields("process.stopping")["signal"] == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before
