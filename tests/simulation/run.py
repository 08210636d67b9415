"""One run: chaos, then calm, and the end in which everything must be settled.

A run is a list of steps (`choices.Step`). With a seed the steps are chosen at random and written
down; a schedule plays the same steps, or some of them, again.
"""

from bisect import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random  # noqa: TID251  the seeded source of a reproducible run

from deliverer.policy.items import Limits
from deliverer.policy.lanes import IllegalStep
from deliverer.policy.machine import StateRefused
from tests.simulation.broker import Broken
from tests.simulation.choices import Choices, Step
from tests.simulation.owner import ACTIONS, Owner
from tests.simulation.process import Process, Processes
from tests.simulation.rules import Rules
from tests.simulation.world import World

CALM_STEPS_MAX = 8_000
CALM_SEED = 1
ZOMBIES = ("zombie0", "zombie1")
FAULTS = (Broken, IllegalStep, StateRefused, AssertionError)


class Stuck(Broken):
    """The run never came to rest."""


@dataclass
class Played:
    """What became of a run; `fault` is None when every promise was kept."""

    world: World
    steps: list[Step]
    fault: Exception | None = None

    @property
    def promise(self) -> str | None:
        """Return the name of what was broken."""
        if self.fault is None or isinstance(self.fault, Broken):
            return None if self.fault is None else self.fault.promise
        return type(self.fault).__name__


@dataclass
class Chaos:
    """How a run is tormented: shares of the iterations."""

    steps: int
    time: float
    zombies: float
    world: dict[str, float] = field(default_factory=dict)


class Simulation:
    """A world with an owner and what is left of former ones; every change is a named step.

    With `remembered_max` owners live in processes that remember so many successes.
    """

    def __init__(
        self, choices: Choices, rules: Rules, setup: Step, *, remembered_max: int | None = None
    ) -> None:
        self.choices = choices
        choices.begin(setup)
        self.steps = [setup]
        processes = None if remembered_max is None else Processes(remembered_max)
        self.world = World(choices, rules, processes=processes)
        self.limits = limits_of(choices)
        self.owners = 0
        self.zombies: list[Owner] = []
        self.owner = self._next_owner()

    def do(self, step: Step) -> None:
        """Do one step; an owner that died of it is replaced at once."""
        self.steps.append(step)
        self.choices.begin(step)
        self.world.step = step
        who, _, action = step.name.partition(".")
        if who == "owner":
            self.owner.do(action)
            if self.owner.is_dead:
                self.owner.lose()
                self.owner = self._next_owner()
        elif who in ZOMBIES:
            index = ZOMBIES.index(who)
            if index < len(self.zombies) and not self.zombies[index].is_dead:
                self.zombies[index].do(action)
                if self.zombies[index].is_dead:
                    self.zombies[index].lose()
        else:
            getattr(self, f"_{who}")()

    def _next_owner(self) -> Owner:
        self.owners += 1
        self.world.broker.member = self.owners
        self.world.steady_since = self.world.now
        if self.world.processes is not None:  # a process has one owner of a partition at a time
            self._end_zombies(in_process=self.world.processes.of(self.owners))
        return Owner(self.world, self.limits, self.owners)

    def _end_zombies(self, *, in_process: Process | None = None) -> None:
        for zombie in self.zombies:
            if not zombie.is_dead and in_process in {None, zombie.process}:
                zombie.lose()

    # ---- what can happen outside of an owner

    def _time(self) -> None:
        self.world.now += 1

    def _fan_out(self) -> None:
        self.world.fan_out()

    def _flap(self) -> None:
        name = self.choices.pick(list(self.world.is_up))
        self.world.is_up[name] = not self.world.is_up[name]
        self.world.note(f"{name} is {'up' if self.world.is_up[name] else 'down'}")

    def _edit(self) -> None:
        self.world.edit_something()

    def _compact(self) -> None:
        self.world.broker.compact(self.choices)

    def _retain(self) -> None:
        if self.owner.is_cut:
            self.world.steady_since = self.world.now
        self.world.let_retention_pass()

    def _cut(self) -> None:
        """Cut the owner off from the brokers, or let it back."""
        self.owner.is_cut = not self.owner.is_cut
        self.world.steady_since = self.world.now

    def _crash(self) -> None:
        """Give the partition to another owner; the former one may go on as a zombie."""
        old = self.owner
        old.die_in_a_tick()
        if self.choices.chance(0.4):
            old.is_cut = True
        if not self.choices.chance(0.2):
            self._go_on_as_zombie(old)
        elif old.process is not None:
            self._end_zombies(in_process=old.process)
            old.process.crash()
        self.owner = self._next_owner()
        self.world.note("another owner")

    def _go_on_as_zombie(self, old: Owner) -> None:
        for zombie in [*self.zombies, old][: -len(ZOMBIES)]:
            if not zombie.is_dead:
                zombie.lose()
        self.zombies = [*self.zombies, old][-len(ZOMBIES) :]

    def _outage(self) -> None:
        """Let much time pass in which nobody does anything; long ones end the owners."""
        length = (20, 60, 200, 700)[self.choices.below(4)]
        self.world.now += length
        self.world.steady_since = self.world.now
        self.world.note(f"{length} later")
        retention = self.world.broker.retention
        if retention is not None and length > retention // 4:
            self._end_zombies()
            self.zombies = []
            self.owner.lose()
            self.owner = self._next_owner()
        self.world.let_retention_pass()

    def _calm(self) -> None:
        """End the chaos: everything works again, nothing is paused."""
        world = self.world
        self._end_zombies()
        self.zombies = []
        self.owner.is_cut = False
        world.hurt = 0.0
        world.failing = min(world.failing, 0.05)
        for name in world.is_up:
            world.is_up[name] = True
        for name, policy in world.policies.items():
            if policy.status == "paused":
                world.edit(name, status="active")

    def is_settled(self) -> bool:
        """Ask whether all is over; then also the machine must be at rest."""
        if not self.world.is_settled() or not self.owner.is_quiet:
            return False
        machine = self.owner.machine
        if machine.sweep_target(self.world.now) is not None:
            raise Broken("the sweep finds no rest")
        if machine.buffered_bytes or machine.in_flight:
            raise Broken(f"not quiet: {machine.view.describe()}")
        log = self.world.broker.log[self.world.broker.begin :]
        bad = {at for at, entry in enumerate(log, self.world.broker.begin) if entry == "bad"}
        if bad - self.world.quarantined:
            raise Broken("never quarantined")
        return True


def limits_of(choices: Choices) -> Limits:
    """Return small bounds, so that every one of them is met."""
    pick = choices.pick
    queue = pick((1, 2, 4))
    return Limits(
        window_offsets=pick((10, 30)),
        lane_queue=queue,
        lane_queue_max=queue * 2,
        lane_done=pick((2, 4, 8)),
        buffer_bytes=pick((200, 60, 30)),
        tier_read_ahead=pick((3, 1)),
        tier_ahead_bytes=pick((100, 10)),
        rest_heap_bytes=pick((80, 10)),
        slot_wait_ms=6,
        pause_repark_ms=9,
        local_fault_pause_ms=1,
        local_fault_pause_max_ms=8,
        short_wait_ms=pick((1, 3)),
        breaker_failures=pick((3, 2, 1)),
        probe_ms=pick((3, 7)),
        probe_max_ms=20,
        failing_ms=pick((10_000, 10_000, 60)),
        failing_attempts=4,
        sweep_rest_ms=20,
        sweep_vain_per_s=200,
        sweep_near=queue,
    )


def play(seed: int, rules: Rules | None = None, *, remembered_max: int | None = None) -> Played:
    """Play the run of a seed; with `remembered_max` no process repeats what it saw succeed."""
    source = Random(seed)
    chaos = Chaos(
        source.choice((120, 300, 800)),
        source.choice((0.1, 0.3, 0.6)),
        source.choice((0.0, 0.3, 0.9)),
        {
            "fan_out": 0.08,
            "flap": source.choice((0.004, 0.02)),
            "edit": 0.015,
            "compact": 0.01,
            "retain": 0.01,
            "cut": source.choice((0.0, 0.002, 0.01)),
            "outage": source.choice((0.0, 0.0, 0.004)),
            "crash": source.choice((0.005, 0.03)),
        },
    )
    simulation = Simulation(
        Choices(source), rules or Rules(), Step("setup"), remembered_max=remembered_max
    )
    return _finish(simulation, lambda: _go(simulation, source, chaos))


def _go(simulation: Simulation, source: Random, chaos: Chaos) -> None:
    names, bounds = list(chaos.world), list(accumulate(chaos.world.values()))
    for _ in range(chaos.steps):
        if source.random() < chaos.time:
            simulation.do(Step("time"))
        dice = source.random()
        if dice < bounds[-1]:
            simulation.do(Step(names[bisect(bounds, dice)]))
        for name, zombie in zip(ZOMBIES, simulation.zombies, strict=False):
            if not zombie.is_dead and source.random() < chaos.zombies:
                simulation.do(Step(f"{name}.{_action(source)}"))
        simulation.do(Step(f"owner.{_action(source)}"))
    simulation.do(Step("calm"))
    _settle(simulation, source, chaos.time)


def replay(steps: Iterable[Step], rules: Rules | None = None) -> Played:
    """Play a schedule, then let it come to rest; the first step is the setup.

    The steps of the end are part of what was played only when one of them breaks a promise.
    """
    setup, *rest = (Step(step.name, list(step.draws)) for step in steps)
    source = Random(CALM_SEED)
    choices = Choices(None)
    simulation = Simulation(choices, rules or Rules(), setup)

    def go() -> None:
        for step in rest:
            simulation.do(step)
        played = len(simulation.steps)
        simulation.do(Step("calm"))
        choices.use(source)
        try:
            _settle(simulation, source, 0.3)
        except Stuck:
            del simulation.steps[played:]
            raise
        del simulation.steps[played:]

    return _finish(simulation, go)


def _finish(simulation: Simulation, go: Callable[[], None]) -> Played:
    try:
        go()
    except FAULTS as fault:
        return Played(simulation.world, simulation.steps, fault)
    return Played(simulation.world, simulation.steps)


def _settle(simulation: Simulation, source: Random, time: float) -> None:
    for step in range(CALM_STEPS_MAX):
        if source.random() < time:
            simulation.do(Step("time"))
        simulation.do(Step(f"owner.{_action(source)}"))
        if step % 50 == 0 and simulation.is_settled():
            return
    raise Stuck("lost or stuck")


_ACTIONS = tuple(ACTIONS)
_BOUNDS = list(accumulate(ACTIONS.values()))


def _action(source: Random) -> str:
    return _ACTIONS[bisect(_BOUNDS, source.random() * _BOUNDS[-1], hi=len(_BOUNDS) - 1)]
