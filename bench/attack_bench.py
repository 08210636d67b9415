"""What an attempt costs the sender in CPU time when its receiver attacks.

`python -m bench.attack_bench [SCALE]`. Three processes: this one, the receivers, and the sender,
whose CPU time is measured. Rounds with attackers take turns with rounds without, so that what the
machine does strikes both; the ratio of the two is what counts.

Whoever attacks loses the connection, and a new one costs more than anything else about an answer.
So attackers are set beside receivers that answer and close, too.
"""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.attacks import ATTACKS
from bench.children import Child, Children
from bench.figures import Bare, Figure, Goal, Spread
from bench.report import document, table
from bench.run import surroundings
from hooklane import surroundings as environment

RESULTS = Path(__file__).with_name("attacks.json")
MIXED = 2_000
ALONE = 300
ROUNDS = 5
ATTACKED_TENTHS = 3
"""Of ten attempts in a row."""
TIMEOUT_S = 30.0
SLOW_TIMEOUT_S = 1.0
SLOW = frozenset({"hang", "drip"})
MIXED_GOAL = 12.0
CLOSING_GOAL = 5.0
ALONE_GOAL = 6.0
CRUMBLE_GOAL = 40.0
"""Two hundred and fifty-six wake-ups instead of one."""

Target = tuple[int, float]


class Lab:
    """The receivers and the sender."""

    def __init__(self, sender: Child, ports: dict[str, int]) -> None:
        self._sender = sender
        self._ports = ports

    @classmethod
    async def start(cls, children: Children) -> "Lab":
        """Start both."""
        variables = environment.environ()
        receivers = await children.start(
            "receivers", ["-m", "bench.attacks"], variables, is_worker=True
        )
        assert receivers.process.stdout is not None
        ports = json.loads(await receivers.process.stdout.readline())
        sender = await children.start(
            "sender", ["-m", "bench.attack_sender"], variables, is_worker=True
        )
        return cls(sender, ports)

    def target(self, kind: str) -> Target:
        """Give where it listens, and for how long it is waited for."""
        return self._ports[kind], SLOW_TIMEOUT_S if kind in SLOW else TIMEOUT_S

    async def cost_us(self, kinds: Sequence[str], count: int) -> tuple[float, Counter[str]]:
        """Send to these in turn; gives microseconds of CPU per attempt, and the outcomes."""
        asked = {"ports": [self.target(kind) for kind in kinds], "count": count}
        answer = await self._sender.ask(asked, timeout_s=120)
        assert isinstance(answer, dict)
        outcomes: Counter[str] = Counter(answer["outcomes"])
        if outcomes.total() != count:
            raise RuntimeError(f"{outcomes.total()} of {count} attempts ended")
        return answer["cpu_s"] / count * 1e6, outcomes


def mixture(kinds: Sequence[str]) -> list[str]:
    """Give an order in which three of ten attempts meet one of these, each kind as often."""
    order = []
    for number in range(len(kinds)):
        attackers = [kinds[(number * ATTACKED_TENTHS + at) % len(kinds)] for at in range(3)]
        for attacker in attackers:
            order += ["healthy", "healthy", attacker]
        order.append("healthy")
    return order


async def _beside(
    lab: Lab,
    what: tuple[str, Sequence[str]],
    bare: tuple[str, Sequence[str]],
    *,
    count: int,
    goal: float,
) -> Figure:
    """Measure in turn with attempts that others answer; each is a name and its receivers."""
    ours: list[float] = []
    theirs: list[float] = []
    seen: Counter[str] = Counter()
    for number in range(ROUNDS + 1):
        cost_us, outcomes = await lab.cost_us(what[1], count)
        bare_us, answered = await lab.cost_us(bare[1], count)
        if answered != {"delivered": count}:
            raise RuntimeError(f"attempts that are answered ended as {dict(answered)}")
        if number:  # the first round warms up
            ours.append(cost_us)
            theirs.append(bare_us)
            seen += outcomes
    note = ", ".join(f"{share:,} {outcome}" for outcome, share in sorted(seen.items()))
    return Figure(
        what[0],
        "µs CPU",
        Spread.of(ours),
        Bare(bare[0], Spread.of(theirs)),
        Goal(goal, "at most", is_ratio=True),
        note=note,
    )


async def _figures(lab: Lab, scale: float) -> list[Figure]:
    mixed, alone = max(100, int(MIXED * scale)), max(20, int(ALONE * scale))
    attacked, kept = mixture(list(ATTACKS)), ("all answer", ["healthy"])
    closing = mixture(["closing"])
    figures = [
        await _beside(lab, ("30 % attack", attacked), kept, count=mixed, goal=MIXED_GOAL),
        await _beside(
            lab,
            ("30 % attack, not close", attacked),
            ("30 % close", closing),
            count=mixed,
            goal=CLOSING_GOAL,
        ),
        await _beside(lab, ("a new connection", ["closing"]), kept, count=alone, goal=MIXED_GOAL),
    ]
    for kind in ATTACKS:
        print(f"measuring: {kind}", file=sys.stderr, flush=True)
        goal = CRUMBLE_GOAL if kind == "crumble" else ALONE_GOAL
        bare = ("a new connection", ["closing"])
        figures.append(await _beside(lab, (kind, [kind]), bare, count=alone, goal=goal))
    return figures


async def measure(scale: float) -> list[Figure]:
    """Measure a mixture of all, a plain new connection, and each attack alone."""
    with tempfile.TemporaryDirectory(prefix="hooklane-bench-") as folder:
        children = Children(Path(folder))
        try:
            return await _figures(await Lab.start(children), scale)
        finally:
            await children.close()


def main(arguments: list[str]) -> int:
    """Run at the scale given; only a whole one is written down."""
    scale = float(arguments[0]) if arguments else 1.0
    figures = asyncio.run(measure(scale))
    print("\n" + table(figures))
    if scale == 1:
        text = json.dumps(document(figures, surroundings()), indent=1)
        RESULTS.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
