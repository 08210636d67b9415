"""Get all that the tests use beyond packages, before they ask: `python -m tools.prepare`.

`make test` runs this beside its first stages at the lowest priority, because some of it takes
minutes on a fresh clone; later it finds everything there. Nothing fails here: what cannot be had
is one line, and the test that needs it says the same. Whoever asks for something that is being
made waits for it, by a lock.
"""

import os
import sys
from collections.abc import Callable, Sequence

from hooklane import kafka_training
from tools import collector, compose, helm, prometheus

Step = Callable[[], int]
STEPS: tuple[Step, ...] = (
    kafka_training.main,  # first: Kafka's jars are among it, and they are asked for soonest
    helm.main,
    prometheus.main,
    compose.prepare,
    collector.main,  # last: the longest
)


def main(steps: Sequence[Step] = STEPS) -> int:
    """Take every step at the lowest priority; each has said itself what it lacks."""
    os.nice(19)
    for step in steps:
        step()
    return 0


if __name__ == "__main__":
    sys.exit(main())
