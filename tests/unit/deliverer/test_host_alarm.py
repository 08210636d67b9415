"""Tests of what people see of a full host."""

from prometheus_client import CollectorRegistry

from deliverer.host_alarm import HostAlarm
from deliverer.hosts import HostSlots
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import silent_log


def test_each_wait_counts_and_a_minute_has_one_line() -> None:
    """A line per wait would be a flood; it names the subscription, never the sealed host."""
    registry, clock = CollectorRegistry(), ManualClock()
    log, said = silent_log()
    alarm = HostAlarm(HostSlots(7), registry, clock=clock, log=log)

    for _ in range(3):
        alarm("sub_a")
    clock.advance(60)
    alarm("sub_b")

    assert registry.get_sample_value("hooklane_delivery_host_waits_total") == 4
    assert registry.get_sample_value("hooklane_delivery_hosts_full") == 0
    assert said.entries == [
        {"event": "host.full", "log_level": "warning", "subscription": name, "cap": 7}
        for name in ("sub_a", "sub_b")
    ]
