"""What people see when a fault seems to be ours."""

from prometheus_client import CollectorRegistry

from deliverer.fate_alarm import FateAlarm
from deliverer.metrics import DelivererMetrics
from schemas.outcome import Outcome
from tests.fakes.deliverer import silent_log


def test_the_gauge_and_the_log_follow_the_suspicion() -> None:
    """An error when it begins, a warning when it ends; one way at a time."""
    registry = CollectorRegistry()
    logger, said = silent_log()
    alarm = FateAlarm(DelivererMetrics(registry), logger)

    def gauge(outcome: str) -> float | None:
        return registry.get_sample_value("hooklane_shared_fate", {"outcome": outcome})

    alarm(Outcome.DNS_ERROR, 30, 40)
    during = (gauge("dns_error"), gauge("timeout"))
    alarm(None, 3, 40)

    assert during == (1, 0)
    assert (gauge("dns_error"), gauge("timeout")) == (0, 0)
    assert [(line["event"], line["log_level"]) for line in said.entries] == [
        ("fate.shared", "error"),
        ("fate.own", "warning"),
    ]
