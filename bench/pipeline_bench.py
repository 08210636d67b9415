"""CPU seconds of everything per 1,000 deliveries: our three processes, and Kafka apart."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic

from bench.figures import Figure, Goal, Spread
from bench.rounds import rounds
from bench.stand import Machine, Stand
from bench.workload import Subscriber

ROUNDS = 4
BUDGET_S = 30.0
DELIVERIES = 8_000
BATCH = 100
CONNECTIONS = 4
SETTLE_S = 0.5
WARM_UP_S = 60.0
GOALS = {1: 0.16, 10: 0.08}
SERVICES = ("gateway", "fanout", "deliverer")


async def warm_up(
    machine: Machine, stand: Stand, crowds: Mapping[int, Sequence[Subscriber]]
) -> None:
    """Keep all services and the broker busy for a while.

    A broker that was just started compiles for a minute or two, on the CPUs that are measured: our
    own code takes up to half as long again meanwhile.
    """
    await stand.start(*SERVICES)
    until = monotonic() + WARM_UP_S
    while monotonic() < until:
        for copies, subscribers in crowds.items():
            await _send(machine, stand, subscribers, copies=copies)


async def measure(
    machine: Machine, stand: Stand, crowds: Mapping[int, Sequence[Subscriber]]
) -> list[Figure]:
    """Send events in batches through the whole pipeline."""
    children = await stand.start(*SERVICES)
    figures = []
    for copies, subscribers in crowds.items():
        costs: list[list[float]] = []
        for _ in rounds(ROUNDS, budget_s=BUDGET_S, monotonic=monotonic):
            spent = [*(child.cpu_s for child in children), machine.kafka_cpu_s]
            await _send(machine, stand, subscribers, copies=copies)
            await asyncio.sleep(SETTLE_S)
            now = [*(child.cpu_s for child in children), machine.kafka_cpu_s]
            costs.append(
                [(after - then) * 1000 / DELIVERIES for after, then in zip(now, spent, strict=True)]
            )
        figures += _figures(costs[1:], copies)
    return figures


async def _send(
    machine: Machine, stand: Stand, subscribers: Sequence[Subscriber], *, copies: int
) -> None:
    """Send what makes so many deliveries, and wait until all of them arrived."""
    events = DELIVERIES // copies
    bodies = list(stand.workload.batches(subscribers, events, size=BATCH))
    before = await machine.received()
    await stand.pump("/v1/events/batch", bodies, connections=CONNECTIONS)
    await machine.until_received(before + events * copies)


def _figures(costs: list[list[float]], copies: int) -> list[Figure]:
    name = f"pipeline, {copies} subscription{'s' if copies > 1 else ''} per event"
    unit = "CPU-s/1,000"
    parts = [*SERVICES, "Kafka"]
    figures = [
        Figure(
            name,
            unit,
            Spread.of([sum(one) for one in costs]),
            goal=Goal(GOALS[copies], "at most"),
            note=f"batches of {BATCH} over HTTP; our three processes and Kafka together",
        )
    ]
    figures += [
        Figure(f"  of it {part}", unit, Spread.of([one[place] for one in costs]))
        for place, part in enumerate(parts)
    ]
    return figures
