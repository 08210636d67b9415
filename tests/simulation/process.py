"""The processes that owners live in: each remembers the successes that nobody committed (C5)."""

from deliverer.policy.items import Attempt, AttemptLog, AttemptReport
from deliverer.recollections import Recollections
from tests.simulation.broker import Broken

PARTITION = 0
PROCESSES = 2


class Process:
    """The memory of one process, and the judge of it: what it saw succeed it must not repeat."""

    def __init__(self, remembered_max: int) -> None:
        self._remembered_max = remembered_max
        self.crash()

    def crash(self) -> None:
        """Forget everything: another process has its place."""
        self._recollections = Recollections(self._remembered_max, lambda _: None)
        self._seen: set[int] = set()

    def keep(self, unwritten: list[AttemptLog], now: int) -> None:
        """Remember what an owner had not committed when it died."""
        self._recollections.keep(PARTITION, unwritten, now=now)

    def recall(self, attempt: Attempt) -> AttemptReport | None:
        """Return how the delivery of an attempt succeeded before."""
        return self._recollections.recall(PARTITION, attempt)

    def saw(self, sequence: int) -> None:
        """Take note of a success."""
        self._seen.add(sequence)

    def judge(self, sequence: int) -> None:
        """Judge a request."""
        if sequence in self._seen:
            raise Broken("repeat of what its process saw succeed")


class Processes:
    """Processes that take the partition in turn, twice each: now it comes back, now it stays."""

    def __init__(self, remembered_max: int) -> None:
        self._all = [Process(remembered_max) for _ in range(PROCESSES)]

    def of(self, number: int) -> Process:
        """Return the process of the owner of this number."""
        return self._all[number // 2 % PROCESSES]
