"""Where downloads are kept."""

from pathlib import Path

from hooklane.surroundings import cache_dir, environ


def test_cache_follows_xdg() -> None:
    """An absolute XDG_CACHE_HOME wins over HOME."""
    assert cache_dir({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/hooklane")


def test_cache_is_below_home_by_default() -> None:
    """Without XDG, and with a relative one as its specification asks, ~/.cache is used."""
    assert cache_dir({"HOME": "/h"}) == Path("/h/.cache/hooklane")
    assert cache_dir({"XDG_CACHE_HOME": "rel", "HOME": "/h"}) == Path("/h/.cache/hooklane")


def test_environ_is_the_process_environment() -> None:
    """PATH is in every process that runs tests."""
    assert environ()["PATH"]
