"""What one owner knows of the registry, and how old that is."""

from dataclasses import dataclass

from chassis.freshness import Freshness
from deliverer.policy.items import SubscriptionPolicy
from tests.simulation.world import UNITS_PER_S, World


@dataclass
class _Answer:
    """What the registry was when the broker answered; heard later, it is old news."""

    version: int
    policies: dict[str, SubscriptionPolicy]
    versions: dict[str, int]


class Table:
    """A copy of the registry, read to its end when it is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.policies: dict[str, SubscriptionPolicy] = dict(world.policies)
        self.version = world.version
        self._freshness = Freshness(world.now)
        self._known_until = world.now
        self._on_its_way: _Answer | None = None

    @property
    def silence_s(self) -> float:
        """Return for how long a change may be unknown here."""
        return (self._world.now - self._known_until) / UNITS_PER_S

    def refresh(self) -> list[str]:
        """Get an answer, sometimes other steps after it was given; return what changed."""
        answer, self._on_its_way = self._on_its_way, None
        if answer is not None:
            return self._hear(answer)
        if self._world.dice.chance(0.2):
            self._on_its_way = self._asked()
            return []
        self._freshness.note(self._world.now - 1)  # one answer follows the other
        return self.catch_up()

    def catch_up(self) -> list[str]:
        """Read to the end (R1); return what changed."""
        return self._hear(self._asked())

    def _asked(self) -> _Answer:
        """Give what the broker knows now; the request had reached it before."""
        world = self._world
        return _Answer(world.version, dict(world.policies), dict(world.versions))

    def _hear(self, answer: _Answer) -> list[str]:
        now, heard = self._world.now, self._freshness
        heard.note(now)
        if not self._world.rules.distrusts_answers:
            self._known_until = now
        elif heard.known_until is not None:
            self._known_until = heard.known_until
        if answer.version <= self.version:
            return []
        changed = [name for name, version in answer.versions.items() if version > self.version]
        self.policies, self.version = answer.policies, answer.version
        return changed
