"""Tell people that a fault seems to be ours: one log line per change, and a gauge."""

from structlog.typing import FilteringBoundLogger

from deliverer.metrics import DelivererMetrics
from schemas.outcome import Outcome


class FateAlarm:
    """What SharedFate tells its changes to."""

    def __init__(self, metrics: DelivererMetrics, log: FilteringBoundLogger) -> None:
        self._gauges = metrics.shared_fate
        self._log = log

    def __call__(self, way: Outcome | None, failing: int, watched: int) -> None:
        """Say in which way how many fail of those that were well before; None = it is over."""
        for one, gauge in self._gauges.items():
            gauge.set(one is way)
        if way is None:
            self._log.warning("fate.own", failing=failing, watched=watched)
        else:
            self._log.error("fate.shared", outcome=way.value, failing=failing, watched=watched)
