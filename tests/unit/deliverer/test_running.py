"""The tasks of running attempts."""

import asyncio

from deliverer.policy.items import AttemptReport
from deliverer.report import cut_off
from deliverer.running import RunningAttempts
from schemas.outcome import Outcome

REPORT = cut_off(Outcome.DELIVERED, started_at=0, finished_at=0)


class Ends:
    """Collects how attempts ended."""

    def __init__(self) -> None:
        self.reports: list[AttemptReport | None] = []
        self.faults: list[BaseException] = []
        self.running = RunningAttempts(fail=self.faults.append)
        self.go = asyncio.Event()

    async def work(self) -> AttemptReport:
        """Wait for the word, then report."""
        await self.go.wait()
        return REPORT

    async def defect(self) -> AttemptReport:
        """Fail as only a defect does."""
        raise RuntimeError("a defect")


async def test_a_report_is_handed_on() -> None:
    """The end of an attempt reaches whoever started it."""
    ends = Ends()
    ends.running.start(ends.work(), ends.reports.append)

    ends.go.set()

    assert await ends.running.wait(5)
    assert ends.reports == [REPORT]
    assert len(ends.running) == 0


async def test_waiting_is_bounded() -> None:
    """An attempt that does not end is reported as still running."""
    ends = Ends()
    ends.running.start(ends.work(), ends.reports.append)

    assert not await ends.running.wait(0.001)
    assert not await ends.running.wait(0)

    await ends.running.cut(5)


async def test_what_is_cut_off_has_no_report() -> None:
    """Cancellation ends as None, once."""
    ends = Ends()
    ends.running.start(ends.work(), ends.reports.append)

    await ends.running.cut(5)

    assert ends.reports == [None]
    assert ends.faults == []


async def test_a_defect_counts_as_cut_off_and_is_told() -> None:
    """The delivery goes back, the defect is not swallowed."""
    ends = Ends()
    ends.running.start(ends.defect(), ends.reports.append)

    await ends.running.wait(5)

    assert ends.reports == [None]
    assert [str(fault) for fault in ends.faults] == ["a defect"]
