"""The deliverer's instruments."""

import pytest

from chassis.metrics import SERIES_MAX, make_registry, series_count
from deliverer.metrics import DelivererMetrics
from schemas.attempt import AttemptKind
from schemas.outcome import Outcome

CONTRACT = {
    "hooklane_delivery_attempts",
    "hooklane_delivery_duration_seconds",
    "hooklane_delivery_first_attempt_delay_seconds",
    "hooklane_delivery_end_to_end_seconds",
    "hooklane_delivery_in_flight",
    "hooklane_delivery_connections",
    "hooklane_delivery_blocked",
    "hooklane_deliveries_dropped",
    "hooklane_retry_scheduled",
    "hooklane_dead_letters",
    "hooklane_lanes",
    "hooklane_breakers",
    "hooklane_quarantined",
    "hooklane_commits",
    "hooklane_commit_duration_seconds",
    "hooklane_rebalances",
    "hooklane_registry_records",
    "hooklane_registry_lag_seconds",
    "hooklane_clock_skew_seconds",
}


def test_the_names_are_the_contracts() -> None:
    """Dashboards hold on to them."""
    registry = make_registry("deliverer")
    DelivererMetrics(registry)

    names = {metric.name for metric in registry.collect()}

    assert names >= CONTRACT


def test_the_series_stay_within_their_bound() -> None:
    """Closed label sets only."""
    registry = make_registry("deliverer")
    DelivererMetrics(registry)

    assert series_count(registry) <= SERIES_MAX


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_and_kind_has_its_counter(outcome: Outcome) -> None:
    """Resolved once, found by the words of the record."""
    registry = make_registry("deliverer")
    metrics = DelivererMetrics(registry)

    for kind in AttemptKind:
        metrics.attempt(outcome.value, kind.value).inc()

    labels = {"outcome": outcome.value, "kind": "first"}
    assert registry.get_sample_value("hooklane_delivery_attempts_total", labels) == 1
