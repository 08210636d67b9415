"""What the services show is what Prometheus wants to read."""

import pytest
from prometheus_client import generate_latest

from hooklane.instruments import SERVICES, registry_of
from tests.promtool import Promtool


@pytest.mark.parametrize("service", SERVICES)
def test_promtool_finds_nothing_to_complain_of(promtool: Promtool, service: str) -> None:
    """Names, units, help texts; tests/e2e/test_monitoring.py asks the same of running services."""
    page = generate_latest(registry_of(service)).decode()

    assert promtool.run("check", "metrics", given=page) == (0, "")


def test_it_would_complain(promtool: Promtool) -> None:
    """A counter without `_total`."""
    page = "# HELP x_things Things.\n# TYPE x_things counter\nx_things 1\n"

    code, said = promtool.run("check", "metrics", given=page)

    assert code != 0
    assert "_total" in said
