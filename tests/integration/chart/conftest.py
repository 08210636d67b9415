"""Helm as in tests/chart, a receiver as in tests/e2e."""

from tests.chart.conftest import helm
from tests.e2e.conftest import receiver

__all__ = ["helm", "receiver"]
