"""The instruments of every service: named by the contract, closed, few."""

import pytest

from chassis.exposition import FAMILY_SERIES_MAX
from chassis.metrics import SERIES_MAX, series_count
from hooklane.instruments import SERVICES, Instrument, instruments_of, registry_of

CONTRACT = {
    "hooklane_ingest_events_total": {"result"},
    "hooklane_ingest_request_duration_seconds": {"route"},
    "hooklane_schema_violations_total": {"mode"},
    "hooklane_fanout_events_total": {"result"},
    "hooklane_fanout_deliveries_total": set(),
    "hooklane_fanout_delay_seconds": set(),
    "hooklane_delivery_attempts_total": {"outcome", "kind"},
    "hooklane_delivery_duration_seconds": {"outcome"},
    "hooklane_delivery_first_attempt_delay_seconds": set(),
    "hooklane_delivery_end_to_end_seconds": set(),
    "hooklane_delivery_in_flight": set(),
    "hooklane_delivery_connections_total": {"reused"},
    "hooklane_delivery_blocked_total": {"reason"},
    "hooklane_deliveries_dropped_total": {"reason"},
    "hooklane_retry_scheduled_total": {"tier"},
    "hooklane_retry_due_records": {"tier"},
    "hooklane_retry_oldest_due_seconds": {"tier"},
    "hooklane_dead_letters_total": {"reason"},
    "hooklane_lanes": {"state"},
    "hooklane_lane_oldest_seconds": set(),
    "hooklane_breakers": {"state"},
    "hooklane_quarantined_total": {"stage", "reason"},
    "hooklane_consumer_lag_records": {"topic"},
    "hooklane_commit_duration_seconds": set(),
    "hooklane_commits_total": {"result"},
    "hooklane_rebalances_total": set(),
    "hooklane_registry_records": set(),
    "hooklane_registry_lag_seconds": set(),
    "hooklane_event_loop_lag_seconds": set(),
    "hooklane_clock_skew_seconds": set(),
    "hooklane_build_info": {"service", "version", "python_version"},
}
"""CONTRACT §7, whole: what users' dashboards hold on to."""

CLOSED = {
    "result", "route", "mode", "outcome", "kind", "reused", "reason", "tier", "state", "stage",
    "topic", "on", "limit", "service", "version", "python_version",
}  # fmt: skip
"""Label names that may exist; another one needs a reason and an entry here."""


def every() -> dict[str, Instrument]:
    """Return the instruments of all services by name."""
    return {one.name: one for service in SERVICES for one in instruments_of(service)}


def test_every_metric_of_the_contract_exists_with_its_labels() -> None:
    """Names and labels are public interface."""
    found = {name: set(one.labels) for name, one in every().items()}

    assert {name: found.get(name) for name in CONTRACT} == CONTRACT


@pytest.mark.parametrize("service", SERVICES)
def test_the_series_of_a_process_are_few_from_the_start(service: str) -> None:
    """All of them, those of Python too, and no family that a scrape would hold the loop for."""
    registry = registry_of(service)

    assert series_count(registry) <= SERIES_MAX
    assert max(len(metric.samples) for metric in registry.collect()) <= FAMILY_SERIES_MAX


@pytest.mark.parametrize("service", SERVICES)
def test_labels_are_closed_sets(service: str) -> None:
    """No label by subscriber, subscription, URL, event or error text."""
    listed = instruments_of(service)

    assert {label for one in listed for label in one.labels} <= CLOSED
    assert max(len(values) for one in listed for values in one.labels.values()) <= 20


@pytest.mark.parametrize("service", SERVICES)
def test_names_and_meanings_follow_the_rules_of_the_field(service: str) -> None:
    """Prefix, base units, `_total` on counters only; each says what it means in a sentence."""
    for one in instruments_of(service):
        assert one.name.startswith("hooklane_")
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert one.kind != "histogram" or one.unit == "seconds", one.name
        assert one.meaning.endswith("."), one.name
        assert len(one.meaning) > 15, one.name


def test_one_name_is_one_thing_in_every_service() -> None:
    """A query over all services must not add up different things."""
    seen: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    for service in SERVICES:
        for one in instruments_of(service):
            shape = (one.kind, one.meaning, tuple(sorted(one.labels)))
            assert seen.setdefault(one.name, shape) == shape, one.name
