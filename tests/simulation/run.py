"""One seeded run: chaos, then calm, and the end in which everything must be settled."""

from dataclasses import dataclass
from random import Random  # noqa: TID251  the seeded source of a reproducible run

from deliverer.policy.items import Limits
from deliverer.policy.lanes import IllegalStep
from deliverer.policy.machine import StateRefused
from tests.simulation.owner import SENT, Owner
from tests.simulation.world import Broken, Rules, World

CALM_STEPS_MAX = 8_000


@dataclass
class Chaos:
    """How a run is tormented."""

    steps: int
    tick: float
    zombies: float
    flap: float
    crash: float


def limits_of(r: Random, *, sweep: bool = False) -> Limits:
    """Return small bounds, so that every one of them is met."""
    return Limits(
        window_offsets=r.choice((10, 30)),
        lane_queue=(queue := r.choice((1, 2, 4))),
        lane_queue_max=queue * 2,
        lane_done=r.choice((2, 4, 8)),
        buffer_bytes=r.choice((30, 60, 200)),
        tier_read_ahead=r.choice((1, 3)),
        tier_ahead_bytes=r.choice((10, 100)),
        rest_heap_bytes=r.choice((10, 80)),
        slot_wait_ms=6,
        pause_repark_ms=9,
        local_fault_pause_ms=1,
        local_fault_pause_max_ms=8,
        short_wait_ms=r.choice((1, 3)),
        breaker_failures=r.choice((1, 2, 3)),
        probe_ms=r.choice((3, 7)),
        probe_max_ms=20,
        failing_ms=r.choice((60, 10_000, 10_000)),
        failing_attempts=4,
        sweep=sweep,
    )


def run(seed: int, rules: Rules | None = None, *, sweep: bool = False) -> World:
    """Run one seed to its settled end; raises Broken with the seed in its text."""
    r = Random(seed)
    world = World(r, rules or Rules())
    limits = limits_of(r, sweep=sweep)
    chaos = Chaos(
        r.choice((150, 400, 1000)),
        r.choice((0.1, 0.3, 0.6)),
        r.choice((0.0, 0.3, 0.9)),
        r.choice((0.004, 0.02)),
        r.choice((0.005, 0.03)),
    )
    try:
        _run(world, chaos, limits)
    except (Broken, IllegalStep, StateRefused) as broken:
        raise Broken(f"seed {seed}: {broken}") from broken
    return world


def _run(world: World, chaos: Chaos, limits: Limits) -> None:
    r = world.r
    owner = Owner(world, limits)
    zombies: list[Owner] = []
    for _ in range(chaos.steps):
        world.now += r.random() < chaos.tick
        dice = r.random()
        if dice < 0.08:
            world.fan_out()
        elif dice < 0.08 + chaos.flap:
            name = r.choice(list(world.is_up))
            world.is_up[name] = not world.is_up[name]
        elif dice < 0.115:
            world.edit_something()
        elif dice < 0.115 + chaos.crash:
            if owner.phase == SENT and r.random() < 0.5:
                owner.apply()
            zombies = [*zombies, owner][-2:]
            owner = Owner(world, limits)
        for zombie in zombies:
            if not zombie.is_dead and r.random() < chaos.zombies:
                zombie.step()
        owner = _go_on(owner)
    _calm(world, owner, chaos)


def _calm(world: World, owner: Owner, chaos: Chaos) -> None:
    world.hurt = 0.0
    for name in world.is_up:
        world.is_up[name] = True
    for name, policy in world.policies.items():
        if policy.status == "paused":
            world.edit(name, status="active")
    for step in range(CALM_STEPS_MAX):
        world.now += world.r.random() < chaos.tick
        owner = _go_on(owner)
        if step % 50 == 0 and world.is_settled() and not owner.running:
            _judge_quiet(world, owner)
            return
    raise Broken("lost or stuck")


def _go_on(owner: Owner) -> Owner:
    if not owner.is_dead:
        owner.step()
    return Owner(owner.world, owner.limits) if owner.is_dead else owner


def _judge_quiet(world: World, owner: Owner) -> None:
    machine = owner.machine
    if machine.sweep_target(world.now) is not None:
        raise Broken("the sweep finds no rest")
    if machine.buffered_bytes or machine.in_flight:
        raise Broken(f"not quiet: {machine.view.describe()}")
    missing = {i for i, entry in enumerate(world.log) if entry == "bad"} - world.quarantined
    if missing:
        raise Broken(f"never quarantined: {missing}")
