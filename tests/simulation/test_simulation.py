"""The very Machine in random schedules: crashes, zombies, lost ticks, flapping receivers, edits.

A failing seed prints the shortest schedule that breaks the same promise; `python -m
tests.simulation` runs many seeds and plays a schedule again.
"""

from collections import Counter
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from tests.simulation.__main__ import main
from tests.simulation.choices import Step, read, write
from tests.simulation.rules import BEYOND, CARRIES, Rules
from tests.simulation.run import play, replay
from tests.simulation.shrink import report, shrink

SEEDS = 300
BATCH = 50
REMEMBERING_SEEDS = 150
REMEMBERED_MAX = 1_000
ABLATION_SEEDS = 120  # stops at the first failure
RECORDED = sorted((Path(__file__).parent / "schedules").glob("*.txt"))
RARE = {path.stem for path in RECORDED}
FOUND = sorted((Path(__file__).parent / "schedules" / "found").glob("*.txt"))
"""What once broke a promise of the real machine, too rarely for the seeds of a test run."""
EVENTS = {
    "breakers closed",
    "breakers opened",
    "duplicates",
    "limited starts",
    "lost to retention",
    "refused by the group",
    "requests not written",
    "starts that waited for a lease",
    "takeovers behind retention",
    "ticks in doubt",
    "ticks sent again",
    "zombie posts",
    "zombies stopped by a later term",
}


@cache
def _met_in(first: int) -> Counter[str]:
    """Run a batch of seeds once; returns what the runs met."""
    met: Counter[str] = Counter()
    rules = Rules()
    for seed in range(first, first + BATCH):
        played = play(seed, rules)
        if played.fault is not None:
            pytest.fail(report(f"Seed {seed}", shrink(played, rules), rules), pytrace=False)
        met.update(played.world.counts)
        met["finals"] += len(played.world.final)
    return met


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    """Each of these schedules broke a promise when it was found."""
    assert replay(read(path.read_text())).fault is None


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_promise_holds_in_every_schedule(first: int) -> None:
    """Nothing lost, order kept, nothing early, nothing final twice, everything settles."""
    assert _met_in(first)["finals"] > 4 * BATCH


def test_no_process_repeats_what_it_saw_succeed() -> None:
    """Whoever owned the partition meanwhile, a 2xx is final: order, ends and rest are as ever."""
    met: Counter[str] = Counter()
    for seed in range(REMEMBERING_SEEDS):
        played = play(seed, remembered_max=REMEMBERED_MAX)
        assert played.fault is None, f"seed {seed}: {played.promise}"
        met.update(played.world.counts)

    assert met["recalled"] > 10


def test_the_judge_notices_what_is_not_remembered() -> None:
    """Without room for a single success some process repeats one."""
    promises = (play(seed, remembered_max=0).promise for seed in range(REMEMBERING_SEEDS))

    assert "repeat of what its process saw succeed" in promises


def test_the_seeds_meet_what_they_are_about() -> None:
    """A simulation that never meets a zombie or a lapsed lease proves nothing about them."""
    met = sum((_met_in(first) for first in range(0, SEEDS, BATCH)), Counter())

    assert {what for what, number in met.items() if number} == {*EVENTS, "finals"}


def test_every_rule_has_an_ablation() -> None:
    """PROTOCOL's table row by row, and what came later; nothing is switched off for nothing."""
    switches = [rule.name for rule in fields(Rules)]

    assert sorted([*CARRIES.values(), *BEYOND.values()]) == sorted(switches)
    assert set(switches) >= RARE


@pytest.mark.parametrize(
    "switch", [s for s in [*CARRIES.values(), *BEYOND.values()] if s not in RARE]
)
def test_the_judge_notices_a_missing_rule(switch: str) -> None:
    """Each rule carries weight: without it some schedule breaks a promise."""
    rules = Rules.without(switch)

    assert any(play(seed, rules).fault for seed in range(ABLATION_SEEDS))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_rare_schedule_still_breaks_without_its_rule_only(path: Path) -> None:
    """One in thousands: found once by a long search and written down."""
    steps = read(path.read_text())

    assert replay(steps, Rules.without(path.stem)).fault is not None
    assert replay(steps).fault is None


def test_a_seed_repeats_exactly() -> None:
    """A failure found once is found again, by its seed and by its schedule."""
    first, second = play(7), play(7)
    again = replay(first.steps)

    assert first.steps == second.steps
    assert again.world.final == first.world.final
    assert again.world.broker.log == first.world.broker.log


def test_a_failing_schedule_shrinks_to_what_matters() -> None:
    """From hundreds of steps to a few that can be read, pasted and played again."""
    rules = Rules.without("puts_cursor_back")
    failed = next(p for seed in range(ABLATION_SEEDS) if (p := play(seed, rules)).fault)

    short = shrink(failed, rules)
    told = report("Seed", short, rules)
    pasted = read("\n".join(f"E       {line}" for line in told.splitlines()))

    assert short.promise == failed.promise
    assert len(short.steps) * 8 < len(failed.steps)
    assert "log[0] = sub_" in told
    assert pasted == short.steps
    assert replay(pasted, rules).promise == failed.promise
    assert replay(pasted).fault is None


def test_shrinking_ends_when_its_replays_are_used_up() -> None:
    """A bound in replays: what stands then is still a schedule that fails."""
    rules = Rules.without("puts_cursor_back")
    failed = next(p for seed in range(ABLATION_SEEDS) if (p := play(seed, rules)).fault)

    assert shrink(failed, rules, replays_max=0) is failed
    assert replay(shrink(failed, rules, replays_max=5).steps, rules).promise == failed.promise


def test_a_schedule_is_text() -> None:
    """Equal steps are counted, notes are not read back."""
    steps = [Step("setup", [1, 0]), Step("time"), Step("time"), Step("owner.tick", [2], ["noted"])]
    text = write(steps)

    assert text.splitlines()[:2] == ["setup 1 0", "time x2"]
    assert read(text) == steps
    with pytest.raises(ValueError, match="not a step"):
        read("setup\nowner tick?")


def test_the_command_line_finds_a_failure_and_plays_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it prints is what it reads."""
    without = ["--without", "asks_group"]
    status = main(["seeds", "100", *without])
    path = tmp_path / "schedule.txt"
    path.write_text(capsys.readouterr().out)

    assert status == 1
    assert main(["replay", str(path), *without]) == 1
    assert main(["replay", str(path)]) == 0
    assert main(["seeds", "3"]) == 0
