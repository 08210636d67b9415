"""The running attempts of a partition."""

import asyncio

from deliverer.attempts import Done
from deliverer.endpoints import PartitionEndpoints
from deliverer.policy.items import Attempt, AttemptReport, Delivery
from deliverer.records import read_delivery
from deliverer.report import cut_off
from deliverer.running import RunningAttempts
from schemas.outcome import Outcome
from tests.fakes.deliverer import FakeRegistry, delivery_record, silent_log

REPORT = cut_off(Outcome.DELIVERED, started_at=0, finished_at=0)
STARTED_AT = 17


class Prepared:
    """An attempt that says what becomes of it."""

    def __init__(self, ends: "Ends") -> None:
        self._ends = ends

    def send(self) -> None:
        """Note it, or break."""
        self._ends.acts.append("send")
        if self._ends.send_fault is not None:
            fault, self._ends.send_fault = self._ends.send_fault, None
            raise fault

    def cut(self) -> None:
        """Note it, or break."""
        self._ends.acts.append("cut")
        if self._ends.cut_fault is not None:
            raise self._ends.cut_fault


class Ends:
    """Begins attempts and collects how they ended."""

    def __init__(self) -> None:
        self.reports: list[AttemptReport | None] = []
        self.starts: list[int] = []
        self.faults: list[Exception] = []
        self.acts: list[str] = []
        self.running = RunningAttempts(
            self._prepare, finished=self._finished, fail=self.faults.append
        )
        self.done: Done | None = None
        self.refusal: Exception | None = None
        self.send_fault: Exception | None = None
        self.cut_fault: Exception | None = None
        self._endpoints = FakeRegistry(silent_log()[0]).view

    def start(self, count: int = 1) -> list[Attempt]:
        """Start some attempts at once."""
        delivery = read_delivery(delivery_record(0))
        assert isinstance(delivery, Delivery)
        attempts = [Attempt(delivery, 1) for _ in range(count)]
        self.running.start(attempts, self._endpoints, now_ms=STARTED_AT)
        return attempts

    def end(self, attempt: Attempt, report: AttemptReport | Exception = REPORT) -> None:
        """Let an attempt end."""
        assert self.done is not None
        self.done(attempt, report)

    def _prepare(self, attempt: Attempt, endpoints: PartitionEndpoints, done: Done) -> Prepared:
        if self.refusal is not None:
            raise self.refusal
        self.acts.append("build")
        self.done = done
        return Prepared(self)

    def _finished(self, attempt: Attempt, report: AttemptReport | None, started_at: int) -> None:
        self.reports.append(report)
        self.starts.append(started_at)


async def test_a_report_is_handed_on() -> None:
    """The end of an attempt reaches whoever started it, at once."""
    ends = Ends()
    (attempt,) = ends.start()
    waiting = asyncio.create_task(ends.running.wait(5))
    await asyncio.sleep(0)

    ends.end(attempt)

    assert (ends.reports, ends.starts) == ([REPORT], [STARTED_AT])
    assert await waiting
    assert len(ends.running) == 0


async def test_waiting_is_bounded() -> None:
    """An attempt that does not end is reported as still running."""
    ends = Ends()
    ends.start()

    assert not await ends.running.wait(0.001)
    assert not await ends.running.wait(0)


async def test_what_is_cut_off_has_no_report() -> None:
    """It ends as None, once, whatever it says afterwards."""
    ends = Ends()
    (attempt,) = ends.start()

    ends.running.cut()
    ends.end(attempt)

    assert (ends.reports, ends.acts, ends.faults) == ([None], ["build", "send", "cut"], [])
    assert await ends.running.wait(0)


async def test_a_defect_counts_as_cut_off_and_is_told() -> None:
    """The delivery goes back, the defect is not swallowed."""
    ends = Ends()

    (attempt,) = ends.start()
    ends.end(attempt, RuntimeError("a defect"))

    assert ends.reports == [None]
    assert [str(fault) for fault in ends.faults] == ["a defect"]


async def test_what_cannot_begin_ends_later_as_a_defect() -> None:
    """Whoever starts attempts is in the middle of a step."""
    ends = Ends()
    ends.refusal = RuntimeError("a defect")

    ends.start()
    assert ends.reports == []

    assert await ends.running.wait(5)
    assert ends.reports == [None]
    assert ends.faults == [ends.refusal]


async def test_all_requests_are_built_before_one_is_written() -> None:
    """What a write costs the caches is paid once, not per attempt."""
    ends = Ends()

    ends.start(3)

    assert ends.acts == ["build"] * 3 + ["send"] * 3
    assert len(ends.running) == 3


async def test_what_cannot_be_sent_ends_later_as_a_defect_and_holds_up_nobody() -> None:
    """The others are sent."""
    ends = Ends()
    fault = ends.send_fault = RuntimeError("a defect")

    first, second, third = ends.start(3)
    assert (ends.acts[3:], ends.reports) == (["send"] * 3, [])
    await asyncio.sleep(0)

    assert (ends.reports, ends.faults) == ([None], [fault])
    ends.end(second)
    ends.end(third)
    ends.end(first)
    assert ends.reports == [None, REPORT, REPORT]


async def test_a_cut_that_breaks_does_not_keep_the_others_running() -> None:
    """Each is cut off and told, and so is each defect."""
    ends = Ends()
    ends.cut_fault = RuntimeError("a defect")
    ends.start()
    ends.start()

    ends.running.cut()

    assert (ends.reports, ends.acts.count("cut")) == ([None, None], 2)
    assert ends.faults == [ends.cut_fault, ends.cut_fault]


async def test_cutting_all_off_ends_the_wait() -> None:
    """Who waits for the last one does not wait out its deadline."""
    ends = Ends()
    ends.start()
    waiting = asyncio.create_task(ends.running.wait(3600))
    await asyncio.sleep(0)

    ends.running.cut()

    async with asyncio.timeout(5):
        assert await waiting
