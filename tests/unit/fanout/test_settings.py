"""Tests of the fan-out's settings."""

import pytest

from chassis.settings import SettingsError, load
from fanout.settings import FanoutSettings

ENVIRON = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "localhost:9092"}


def test_defaults_are_those_of_the_contract() -> None:
    """Port 9102, one hour, 200,000 events and 64 MiB."""
    settings = load(FanoutSettings, ENVIRON)

    assert settings.admin.port == 9102
    assert settings.fanout.dedupe_s == 3600
    assert settings.fanout.dedupe_events == 200_000
    assert settings.fanout.dedupe_bytes == 64 * 1024 * 1024


def test_the_window_is_set_by_its_variable() -> None:
    """HOOKLANE_FANOUT__DEDUPE_S is a fixed name."""
    settings = load(FanoutSettings, {**ENVIRON, "HOOKLANE_FANOUT__DEDUPE_S": "60"})

    assert settings.fanout.dedupe_s == 60


def test_a_negative_window_is_refused() -> None:
    """One clear line names the variable."""
    with pytest.raises(SettingsError) as caught:
        load(FanoutSettings, {**ENVIRON, "HOOKLANE_FANOUT__DEDUPE_S": "-1"})

    assert "HOOKLANE_FANOUT__DEDUPE_S" in str(caught.value.problems)
