"""What the collector is spared, and what it still finds."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from chassis import collector


@pytest.fixture
def spared() -> Iterator[None]:
    """Spare the collector for the length of one test."""
    before = gc.get_threshold()
    collector.spare()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("spared")
def test_what_start_up_made_is_left_out() -> None:
    """Modules and settings live as long as the process; nobody need walk them again."""
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == collector.YOUNG_OBJECTS


@pytest.mark.usefixtures("spared")
def test_cycles_are_still_found() -> None:
    """It is spared, not switched off: a leak of cycles would fill the memory."""

    class Knot:
        def __init__(self) -> None:
            self.itself = self

    first = weakref.ref(Knot())
    kept = [Knot() for _ in range(collector.YOUNG_OBJECTS)]

    assert gc.isenabled()
    assert first() is None
    assert len(kept) == collector.YOUNG_OBJECTS
