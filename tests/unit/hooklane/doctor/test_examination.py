"""Tests of what is looked at when something before is missing."""

import socket

from chassis.clock import SystemClock
from hooklane.doctor.examination import Wishes, examine


async def test_without_settings_nothing_else_is_looked_at() -> None:
    """There is no address to knock at."""
    found = await examine({}, Wishes(), SystemClock())

    assert {one.check.partition(" ")[0] for one in found} == {"settings"}


async def test_without_brokers_the_place_is_looked_at_nevertheless() -> None:
    """One run names all that can be named."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{unused.getsockname()[1]}"
        variables = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": server, "HOOKLANE_ADMIN__PORT": "1"}
        found = await examine(variables, Wishes(["fanout"]), SystemClock())

    assert [(one.check, one.status) for one in found] == [
        ("settings fanout", "ok"),
        (f"kafka {server}", "fail"),
        ("tracing", "skip"),
        ("ready fanout", "skip"),
    ]
