"""The very Machine in random schedules: crashes, zombies, lost ticks, flapping receivers, edits.

A failing seed is reported in the text and repeats exactly: `run(SEED)`.
"""

import pytest

from tests.simulation.run import run
from tests.simulation.world import Broken, Rules

SEEDS = 400
BATCH = 50
ABLATION_SEEDS = 400


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_promise_holds_in_every_schedule(first: int) -> None:
    """Nothing lost, order kept, nothing early, nothing final twice, everything settles."""
    worlds = [run(seed) for seed in range(first, first + BATCH)]

    assert sum(len(world.final) for world in worlds) > BATCH
    assert sum(world.zombie_posts for world in worlds) > 0


@pytest.mark.parametrize(
    "rule",
    [
        "is_fenced",
        "is_atomic",
        "is_claim_first",
        "does_resend",
        "keeps_done",
        "keeps_tier_done",
        "keeps_held",
        "keeps_terms",
        "does_confirm",
        "does_wait_for_dead",
        "does_drop",
    ],
)
def test_the_judge_notices_a_missing_rule(rule: str) -> None:
    """Each rule carries weight: without it some schedule breaks a promise."""
    rules = Rules(**{rule: False})

    with pytest.raises(Broken):
        _run_many(rules)


def _run_many(rules: Rules) -> None:
    for seed in range(ABLATION_SEEDS):
        run(seed, rules)


def test_a_seed_repeats_exactly() -> None:
    """A failure found once is found again."""
    first, second = run(7), run(7)

    assert (first.final, first.now, first.duplicates) == (
        second.final,
        second.now,
        second.duplicates,
    )
