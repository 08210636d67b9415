"""The order in which attackers are met."""

from collections import Counter
from itertools import pairwise

import pytest

from bench.attack_bench import mixture
from bench.attacks import ATTACKS


@pytest.mark.parametrize("kinds", [["closing"], list(ATTACKS)])
def test_three_of_ten_attempts_are_attacked_by_each_kind_as_often(kinds: list[str]) -> None:
    """And never two in a row: there is always somebody else in between."""
    order = mixture(kinds)

    seen = Counter(order)
    healthy = seen.pop("healthy")
    assert healthy / len(order) == 0.7
    assert set(seen) == set(kinds)
    assert len(set(seen.values())) == 1
    assert all("healthy" in pair for pair in pairwise(order))
