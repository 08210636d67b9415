"""The real Helm, or one line that says how to get it; in CI there is no excuse."""

from pathlib import Path

import pytest

from tests.chart.rendering import Helm
from tests.missing import missing
from tools.helm import HelmMissing, ensure


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Give Helm; fetched once below `.venv`."""
    try:
        program: Path = ensure().helm
    except HelmMissing as error:
        missing(str(error))
    return Helm(program, tmp_path_factory.mktemp("helm"))
