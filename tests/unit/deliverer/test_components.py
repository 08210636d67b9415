"""The long-lived parts of the deliverer."""

import asyncio
from collections.abc import Callable

import pytest

from chassis.lifecycle import Component
from chassis.metrics import make_registry
from chassis.seats import Actor
from deliverer.components import Membership, RegistryReader, Sending
from deliverer.metrics import DelivererMetrics
from deliverer.worker import PartitionWorker
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.deliverer import Bench, delivery_record


class FakeOwnership:
    """A group that gives partition 0, and drains like the real one."""

    def __init__(
        self, make_actor: Callable[[int], object], closed: Callable[[int, Actor], None]
    ) -> None:
        self.make_actor = make_actor
        self.closed = closed
        self.is_left = False
        self.fault: Exception | None = None

    def is_assigned(self, partition: int) -> bool:
        """Only partition 0 is ours."""
        return partition == 0

    async def run(self, stop: asyncio.Event) -> None:
        """Give a partition, wait, leave."""
        self.make_actor(0)
        if self.fault is not None:
            raise self.fault
        await stop.wait()
        self.is_left = True


def membership(bench: Bench) -> tuple[Membership, list[FakeOwnership]]:
    """Return a membership that gives the bench's worker partition 0."""
    made: list[FakeOwnership] = []

    def ownership(
        make_actor: Callable[[int], object], closed: Callable[[int, Actor], None]
    ) -> FakeOwnership:
        made.append(FakeOwnership(make_actor, closed))
        return made[0]

    component = Membership(
        ownership,  # type: ignore[arg-type]  # the shape of Ownership that is used
        make_worker=lambda _partition, _group: bench.worker,
        drain_s=0.0,
    )
    return component, made


class TestMembershipLife(LifecycleContract):
    """It lives like every component."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a membership."""
        return membership(Bench())[0]


async def test_a_drain_finishes_attempts_before_it_leaves() -> None:
    """SIGTERM: what runs ends and is committed while the group still counts us in."""
    bench = await Bench().start()
    component, (ownership,) = membership(bench)
    await component.start()
    await bench.feed(delivery_record(0))

    draining = asyncio.create_task(component.drain(30))
    await bench.turn()
    assert not ownership.is_left

    bench.attempts.finish(0)
    await bench.turn()
    await draining
    assert ownership.is_left
    assert bench.log.windows[-1].w == 1
    await component.stop()
    await bench.close()


async def test_dead_workers_are_not_drained() -> None:
    """Only what owns a partition is."""
    bench = await Bench().start()
    component, _ = membership(bench)
    await component.start()
    await asyncio.sleep(0)
    assert component.workers() == [bench.worker]
    assert [view.lanes_by_state()["live"] for view in component.views()] == [0]
    assert list(component.owned()) == [0]

    await bench.close()

    assert component.workers() == []
    await component.stop()


async def test_a_worker_that_was_closed_is_let_go() -> None:
    """Else a process would keep a machine for each partition that it ever owned."""
    workers = [Bench().worker, Bench().worker]
    given = iter(workers)
    made: list[FakeOwnership] = []

    def ownership(
        make_actor: Callable[[int], PartitionWorker], closed: Callable[[int, Actor], None]
    ) -> FakeOwnership:
        hooks = DelivererMetrics(make_registry("deliverer")).ownership
        hooks.watch(assigned=lambda: 1, running=lambda: 1, closed=closed)
        made.append(FakeOwnership(make_actor, hooks.on_closed))
        return made[0]

    component = Membership(
        ownership,  # type: ignore[arg-type]  # the shape of Ownership that is used
        make_worker=lambda _partition, _group: next(given),
        drain_s=0.0,
    )
    made[0].make_actor(0)
    made[0].make_actor(0)

    made[0].closed(0, workers[0])
    assert component.workers() == [workers[1]]
    made[0].closed(0, workers[1])
    assert component.workers() == []


async def test_a_partition_that_nobody_works_on_is_named() -> None:
    """Readiness waits for takeovers; partitions of others do not matter."""
    bench = Bench()
    component, _ = membership(bench)
    assert component.are_running(2) == "partitions not yet taken over: [0]"

    await component.start()
    await asyncio.sleep(0)
    assert component.are_running(2) == "partitions not yet taken over: [0]"
    await bench.start()
    assert component.are_running(2) is True

    await bench.close()
    assert component.are_running(2) == "partitions not yet taken over: [0]"
    await component.stop()


async def test_a_crashed_membership_is_reported() -> None:
    """The process must not sit there without its group."""
    component, (ownership,) = membership(Bench())
    ownership.fault = ValueError("a defect")

    assert isinstance(await component.wait_failed(), RuntimeError)
    await component.start()
    assert isinstance(await component.wait_failed(), ValueError)
    await component.stop()


class Steps:
    """Writes down in which order things were ended."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def part(self, name: str) -> object:
        """Return something that can be started, stopped, closed and finished."""
        steps = self.done

        class Part:
            async def start(self) -> None:
                steps.append(f"{name}.start")

            async def stop(self) -> None:
                steps.append(f"{name}.stop")

            async def close(self) -> None:
                steps.append(f"{name}.close")

            async def finish(self, deadline_s: float) -> None:
                steps.append(f"{name}.finish")

            async def wait_failed(self) -> None:
                return

        return Part()


async def test_the_registry_outlives_the_disables_under_way() -> None:
    """First they may finish, then they are given up, then the table ends."""
    steps = Steps()
    component = RegistryReader(
        steps.part("table"),  # type: ignore[arg-type]
        steps.part("writer"),  # type: ignore[arg-type]
        steps.part("disabler"),  # type: ignore[arg-type]
    )

    await component.start()
    await component.drain(5)
    await component.stop()

    assert steps.done == [
        "table.start", "disabler.finish", "disabler.stop", "writer.stop", "table.stop",
    ]  # fmt: skip


async def test_a_crash_of_the_registry_names_its_cause() -> None:
    """The line that ends the process says what happened, not merely where."""
    crash = ValueError("a bug")

    class Crashed:
        async def wait_failed(self) -> BaseException:
            return crash

    steps = Steps()
    component = RegistryReader(
        Crashed(),  # type: ignore[arg-type]
        steps.part("writer"),  # type: ignore[arg-type]
        steps.part("disabler"),  # type: ignore[arg-type]
    )

    assert await component.wait_failed() is crash


async def test_the_sender_is_closed_at_the_end() -> None:
    """Not while attempts may still run."""
    steps = Steps()
    component = Sending(steps.part("sender"))  # type: ignore[arg-type]

    await component.start()
    await component.drain(5)
    assert steps.done == []

    await component.stop()
    assert steps.done == ["sender.close"]
