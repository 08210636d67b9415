"""The instruments of the gateway."""

import pytest

from chassis.metrics import SERIES_MAX, make_registry, series_count
from gateway.metrics import RESULTS, ROUTES, GatewayMetrics
from gateway.problems import Code


def test_all_series_exist_from_the_start() -> None:
    """A rate over a series that appears with its first event misses that event."""
    registry = make_registry("gateway")
    GatewayMetrics(registry)

    for result in RESULTS:
        name = "hooklane_ingest_events_total"
        assert registry.get_sample_value(name, {"result": result}) == 0
    for route in ROUTES:
        name = "hooklane_ingest_request_duration_seconds_count"
        assert registry.get_sample_value(name, {"route": route}) == 0
    assert series_count(registry) < SERIES_MAX


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (None, "accepted"),
        (Code.VALIDATION_FAILED, "invalid"),
        (Code.INVALID_JSON, "invalid"),
        (Code.TIMEOUT, "invalid"),
        (Code.TOO_LARGE, "too_large"),
        (Code.QUOTA_EXCEEDED, "throttled"),
        (Code.UNAVAILABLE, "unavailable"),
        (Code.UNKNOWN, "unavailable"),
    ],
)
def test_every_outcome_of_an_event_has_its_result(code: Code | None, result: str) -> None:
    """The label set of the contract is closed."""
    registry = make_registry("gateway")

    GatewayMetrics(registry).count(code)

    assert registry.get_sample_value("hooklane_ingest_events_total", {"result": result}) == 1
