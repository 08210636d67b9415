"""Tests of the long-lived parts of the fan-out."""

import asyncio

import pytest

from chassis.lifecycle import Component
from fanout.components import Membership, Reading
from tests.contract.lifecycle import LifecycleContract


class FakeMember:
    """A group member that runs until it is stopped, or crashes when told."""

    def __init__(self) -> None:
        self.is_joined = False
        self.has_left = False
        self.crash = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Stay in until `stop`."""
        self.is_joined = True
        stopping = asyncio.create_task(stop.wait())
        crashing = asyncio.create_task(self.crash.wait())
        try:
            await asyncio.wait({stopping, crashing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            crashing.cancel()
        if self.crash.is_set():
            raise RuntimeError("crashed")
        self.has_left = True


class FakeReader:
    """Notes in a shared list when it starts and stops."""

    def __init__(self, name: str, steps: list[str]) -> None:
        self._name = name
        self._steps = steps
        self.has_crashed = asyncio.Event()
        self.crash = RuntimeError(name)

    async def start(self) -> None:
        """Note it."""
        self._steps.append(f"+{self._name}")

    async def stop(self) -> None:
        """Note it."""
        self._steps.append(f"-{self._name}")

    async def wait_failed(self) -> BaseException:
        """Wait until the test says so."""
        await self.has_crashed.wait()
        return self.crash


class TestMembershipLife(LifecycleContract):
    """The membership has the life of a component."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a member that behaves."""
        return Membership(FakeMember())


class TestReadingLife(LifecycleContract):
    """So do the readers."""

    @pytest.fixture
    def component(self) -> Component:
        """Give one reader."""
        return Reading([FakeReader("a", [])])


async def test_a_drain_lets_the_member_leave() -> None:
    """It commits and says good-bye, so that others need not wait for its session to end."""
    member = FakeMember()
    membership = Membership(member)
    await membership.start()

    await membership.drain(5)

    assert member.has_left
    await membership.stop()


async def test_a_crash_of_the_member_ends_the_process() -> None:
    """`wait_failed` hands over what ended it."""
    member = FakeMember()
    membership = Membership(member)
    await membership.start()
    member.crash.set()

    async with asyncio.timeout(5):
        error = await membership.wait_failed()

    assert str(error) == "crashed"
    await membership.stop()


async def test_readers_stop_in_reverse() -> None:
    """What was started last is stopped first."""
    steps: list[str] = []
    reading = Reading([FakeReader("table", steps), FakeReader("lag", steps)])

    await reading.start()
    await reading.stop()

    assert steps == ["+table", "+lag", "-lag", "-table"]


async def test_a_crashed_reader_is_told() -> None:
    """A fan-out whose registry is no longer read must end, not wait for ever."""
    table, lag = FakeReader("table", []), FakeReader("lag", [])
    reading = Reading([table, lag])

    telling = asyncio.create_task(reading.wait_failed())
    table.has_crashed.set()

    assert await telling is table.crash
