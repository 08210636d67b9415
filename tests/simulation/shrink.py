"""Make a failing schedule short: take steps out as long as the same promise stays broken.

Bounded by a number of replays, not by time: the same seed gives the same schedule everywhere.
"""

from collections.abc import Sequence

from tests.simulation.choices import Step, write
from tests.simulation.rules import Rules
from tests.simulation.run import Played, replay

REPLAYS_MAX = 1_200


def shrink(failed: Played, rules: Rules, *, replays_max: int = REPLAYS_MAX) -> Played:
    """Return the shortest run found that breaks what `failed` broke."""
    search = _Search(failed, rules, replays_max)
    search.drop_calm()
    search.remove_steps()
    search.simplify_draws()
    search.remove_steps()
    return search.best


def report(name: str, failed: Played, rules: Rules, *, is_shortest: bool = True) -> str:
    """Tell what broke, by which schedule, and how to play it again."""
    kind = "The shortest schedule found" if is_shortest else "The schedule"
    return (
        f"{name} breaks a promise: {failed.fault}\n"
        f"{kind} ({len(failed.steps)} steps). To play it again, paste it into\n"
        "`python -m tests.simulation replay`"
        f"{_without(rules)}; what stands behind a # is not read.\n\n{write(failed.steps)}"
    )


def _without(rules: Rules) -> str:
    missing = rules.missing
    return f" with `--without {missing}`" if missing else ""


class _Search:
    def __init__(self, failed: Played, rules: Rules, replays_max: int) -> None:
        self.best = failed
        self._rules = rules
        self._left = replays_max

    def drop_calm(self) -> None:
        """Let the replay come to rest by itself, if that is enough."""
        names = [step.name for step in self.best.steps]
        if "calm" in names:
            self._try(self.best.steps[: names.index("calm")])

    def remove_steps(self) -> None:
        """Take out runs of steps, long ones first; the setup stays."""
        size = len(self.best.steps) // 2
        while size and self._left:
            at = len(self.best.steps) - size
            while at > 0 and self._left:
                steps = self.best.steps
                self._try([*steps[:at], *steps[at + size :]])
                at -= size
            size //= 2

    def simplify_draws(self) -> None:
        """Make each draw 0 where that changes nothing, and leave out those at the end."""
        for at in range(len(self.best.steps)):
            for index in reversed(range(len(self._draws(at)))):
                draws = self._draws(at)
                if index >= len(draws):
                    continue
                simpler = [*draws[:index], 0, *draws[index + 1 :]]
                while simpler and not simpler[-1]:
                    simpler.pop()
                if simpler != draws:
                    self._try_draws(at, simpler)

    def _draws(self, at: int) -> list[int]:
        return self.best.steps[at].draws if at < len(self.best.steps) else []

    def _try_draws(self, at: int, draws: list[int]) -> None:
        steps = list(self.best.steps)
        steps[at] = Step(steps[at].name, draws)
        self._try(steps)

    def _try(self, steps: Sequence[Step]) -> None:
        if not self._left:
            return
        self._left -= 1
        played = replay(steps, self._rules)
        if played.promise == self.best.promise and _cost(played) < _cost(self.best):
            self.best = played


def _cost(played: Played) -> tuple[int, int]:
    return len(played.steps), sum(len(step.draws) + sum(step.draws) for step in played.steps)
