"""Tests of the fan-out's instruments."""

from chassis.metrics import make_registry, series_count
from fanout.metrics import FanoutMetrics

NAMES = {
    "hooklane_fanout_events_total",
    "hooklane_fanout_deliveries_total",
    "hooklane_fanout_delay_seconds_count",
    "hooklane_quarantined_total",
    "hooklane_schema_violations_total",
    "hooklane_fanout_rule_faults_total",
    "hooklane_consumer_lag_records",
    "hooklane_fanout_held_by_transaction_seconds",
    "hooklane_commit_duration_seconds_count",
    "hooklane_commits_total",
    "hooklane_rebalances_total",
    "hooklane_partitions_assigned",
    "hooklane_partitions_running",
    "hooklane_takeovers_failed_total",
    "hooklane_registry_broken_records_total",
    "hooklane_registry_records",
    "hooklane_registry_lag_seconds",
    "hooklane_clock_skew_seconds",
}


def test_names_are_those_of_the_contract_and_few() -> None:
    """Every series exists from the start, so that a rate over nothing is zero."""
    registry = make_registry("fanout")
    metrics = FanoutMetrics(registry)
    metrics.watch(
        lag_records=lambda: 7.0,
        held_s=lambda: 6.0,
        registry_records=lambda: 8.0,
        registry_lag_s=lambda: 0.5,
    )

    names = {sample.name for metric in registry.collect() for sample in metric.samples}
    assert names >= NAMES
    assert registry.get_sample_value("hooklane_consumer_lag_records", {"topic": "events"}) == 7
    assert registry.get_sample_value("hooklane_fanout_held_by_transaction_seconds") == 6
    assert registry.get_sample_value("hooklane_registry_records") == 8
    assert registry.get_sample_value("hooklane_registry_lag_seconds") == 0.5
    assert series_count(registry) < 150
