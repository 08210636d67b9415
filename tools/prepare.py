"""Get all that the tests use beyond packages, before they ask: `python -m tools.prepare`.

`make test` runs this beside its stages, because some of it takes minutes on a fresh clone; later
it finds everything there. Nothing fails here: what cannot be had is one line, and the test that
needs it says the same. Whoever asks for something that is being made waits for it, by a lock.
"""

import os
import sys
from collections.abc import Callable, Sequence

from hooklane import kafka_training
from tools import collector, compose, helm, prometheus

Step = Callable[[], int]
STEPS: tuple[Step, ...] = (
    kafka_training.main,  # first: Kafka's jars are among it, and many tests are quicker with it
    helm.main,
    prometheus.main,
    compose.prepare,
    collector.main,  # last: the longest
)
NICENESS = 10


def main(steps: Sequence[Step] = STEPS) -> int:
    """Take every step, and all but the first behind what else runs; each says what it lacks."""
    for step in steps:
        step()
        os.nice(max(0, NICENESS - os.nice(0)))  # only root may go back
    return 0


if __name__ == "__main__":
    sys.exit(main())
