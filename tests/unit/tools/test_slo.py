"""Objectives as rules."""

import yaml

from tools import slo


def test_every_window_of_a_burn_is_recorded() -> None:
    """An alert that asks for a series nobody records never fires."""
    for objective in slo.OBJECTIVES:
        recorded = {rule["record"] for rule in slo.recordings(objective)}
        for burn in slo.BURNS:
            assert f"{objective.record}{burn.long}" in recorded
            assert f"{objective.record}{burn.short}" in recorded


def test_the_limit_is_the_burn_rate_times_the_budget() -> None:
    """Of 99.95 %, 14.4 times too fast."""
    first = next(slo.alerts(slo.OBJECTIVES[0]))

    assert first["expr"] == (
        "hooklane:ingest_errors:ratio_rate1h > (14.4 * 0.0005) "
        "and hooklane:ingest_errors:ratio_rate5m > (14.4 * 0.0005)"
    )


def test_the_file_is_one_group_an_objective() -> None:
    """Groups are evaluated side by side."""
    groups = yaml.safe_load(slo.render())["groups"]

    assert [group["name"] for group in groups] == [
        "hooklane.slo.ingest_errors",
        "hooklane.slo.ingest_slow",
        "hooklane.slo.first_attempt_late",
    ]
