"""The gateway beside a bare aiohttp handler that gets the same requests."""

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from bench.children import Child
from bench.figures import Bare, Figure, Goal, Spread
from bench.http_load import pump
from bench.rounds import rounds
from bench.stand import Machine, Stand

ROUNDS = 10
BUDGET_S = 45.0
CONNECTIONS = 32
SINGLES = 5_000
BATCHED = 30_000
BATCH = 500
BATCH_CONNECTIONS = 4
SUBSCRIBERS = 64
WHAT = "aiohttp handler, no Kafka"


async def measure(machine: Machine, stand: Stand) -> list[Figure]:
    """Alternate rounds; the gateway runs alone, nobody subscribes to these events."""
    (gateway,) = await stand.start("gateway")
    bare, bare_port = await machine.bare_server()
    subscribers = await stand.subscribers("quiet", SUBSCRIBERS, each=0)
    singles = list(stand.workload.documents(subscribers, SINGLES))
    batches = list(stand.workload.batches(subscribers, BATCHED, size=BATCH))

    async def ours(path: str, bodies: Sequence[bytes], connections: int) -> None:
        await stand.pump(path, bodies, connections=connections)

    async def theirs(path: str, bodies: Sequence[bytes], connections: int) -> None:
        requests = (stand.post(path, body) for body in bodies)
        await pump(bare_port, requests, connections=connections, expects=202)

    single: tuple[list[float], list[float]] = ([], [])
    batch: tuple[list[float], list[float]] = ([], [])
    for _ in rounds(ROUNDS, budget_s=BUDGET_S, monotonic=monotonic):
        for place, (child, send) in enumerate(((gateway, ours), (bare, theirs))):
            single[place].append(
                await _round(child, send, "/v1/events", singles, CONNECTIONS, SINGLES)
            )
            batch[place].append(
                await _round(child, send, "/v1/events/batch", batches, BATCH_CONNECTIONS, BATCHED)
            )
    return [
        Figure(
            "gateway, single events",
            "events/CPU-s",
            Spread.of(single[0][1:]),
            Bare(WHAT, Spread.of(single[1][1:])),
            Goal(0.6, is_ratio=True),
        ),
        Figure(
            f"gateway, batches of {BATCH}",
            "events/CPU-s",
            Spread.of(batch[0][1:]),
            Bare(f"{WHAT}, body not read as JSON", Spread.of(batch[1][1:])),
            Goal(50_000),
        ),
    ]


Send = Callable[[str, Sequence[bytes], int], Awaitable[None]]


async def _round(  # noqa: PLR0917 - a row of the plan above
    child: Child, send: Send, path: str, bodies: Sequence[bytes], connections: int, events: int
) -> float:
    cpu_s = child.cpu_s
    await send(path, bodies, connections)
    child.check()
    return events / (child.cpu_s - cpu_s)
