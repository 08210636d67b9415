"""Run many seeds, look for a schedule that breaks without a rule, or play a schedule again.

    python -m tests.simulation seeds 20000 [--first SEED] [--without RULE]
    python -m tests.simulation replay [FILE] [--without RULE]

Exit status 1 = a promise was broken; its shortest schedule is printed.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.simulation.choices import read
from tests.simulation.rules import Rules
from tests.simulation.run import Played, play, replay
from tests.simulation.shrink import report, shrink


def main(arguments: list[str]) -> int:
    """Do what the command line asks for."""
    asked = _parse(arguments)
    rules = Rules.without(asked.without)
    if asked.command == "replay":
        text = Path(asked.file).read_text() if asked.file else sys.stdin.read()
        return _tell("The schedule", replay(read(text), rules), rules, is_shortest=False)
    met: Counter[str] = Counter()
    for seed in range(asked.first, asked.first + asked.count):
        played = play(seed, rules)
        met.update(played.world.counts)
        if played.fault is not None:
            return _tell(f"Seed {seed}", shrink(played, rules), rules, is_shortest=True)
    sys.stdout.write(f"{asked.count} seeds keep every promise; met: {dict(met)}\n")
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    commands = parser.add_subparsers(dest="command", required=True)
    seeds = commands.add_parser("seeds", help="run many seeds")
    seeds.add_argument("count", type=int)
    seeds.add_argument("--first", type=int, default=0, metavar="SEED")
    again = commands.add_parser("replay", help="play a schedule again (default: from stdin)")
    again.add_argument("file", nargs="?")
    for command in (seeds, again):
        command.add_argument("--without", metavar="RULE", help="switch a rule off (rules.py)")
    return parser.parse_args(arguments)


def _tell(name: str, played: Played, rules: Rules, *, is_shortest: bool) -> int:
    if played.fault is None:
        sys.stdout.write(f"{name} keeps every promise.\n")
        return 0
    sys.stdout.write(report(name, played, rules, is_shortest=is_shortest))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
