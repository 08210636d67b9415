"""What the command line takes from its surroundings: variables, cache folder."""

import os
from collections.abc import Mapping
from pathlib import Path


def environ() -> Mapping[str, str]:
    """Return the process environment; the one place of this package that reads it."""
    return os.environ  # noqa: TID251 - the home that the rule speaks of


def cache_dir(variables: Mapping[str, str]) -> Path:
    """Return the folder for downloads that outlive a run: XDG's, else ~/.cache."""
    given = variables.get("XDG_CACHE_HOME", "")
    home = variables.get("HOME", "") or str(Path.home())
    parent = Path(given) if Path(given).is_absolute() else Path(home) / ".cache"
    return parent / "hooklane"
