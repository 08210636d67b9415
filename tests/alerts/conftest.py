"""promtool, fetched once below `.venv`."""

import pytest

from tests.promtool import Promtool, tools_or_skip


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Give the real promtool."""
    return Promtool(tools_or_skip().promtool)
