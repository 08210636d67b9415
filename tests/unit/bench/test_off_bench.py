"""What is compared works: it goes where nothing else of the project goes, into private names."""

import pytest

from bench.off_bench import PATHS


@pytest.mark.parametrize("name", PATHS)
def test_every_variant_of_a_path_can_be_walked(name: str) -> None:
    """Each changes a copy of our own code, which may have changed under it."""
    for walk in PATHS[name]().values():
        walk()
