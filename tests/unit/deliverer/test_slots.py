"""Slots of one process, shared between partitions."""

from collections import Counter

import pytest

from deliverer.slots import Slots


def test_slots_end_at_the_bound() -> None:
    """Nobody is admitted beyond the bound, and a release admits again."""
    slots = Slots(2)
    slots.take(is_suspect=False)
    slots.take(is_suspect=False)

    before = slots.admits(False)
    slots.release(is_suspect=False)

    assert not before
    assert slots.admits(False)
    assert slots.in_flight == 1


def test_suspects_hold_a_fifth_at_most() -> None:
    """Subscriptions that failed cannot fill the process; healthy ones still start."""
    slots = Slots(10)
    slots.take(is_suspect=True)
    slots.take(is_suspect=True)

    before = slots.admits(True)
    slots.release(is_suspect=True)

    assert not before
    assert slots.admits(False)
    assert slots.admits(True)


@pytest.mark.parametrize("is_suspect", [False, True])
def test_a_single_slot_is_open_to_all(is_suspect: bool) -> None:
    """A share that rounds to nothing would stop retries for ever."""
    assert Slots(1).admits(is_suspect)


def test_a_release_wakes_who_waits_once_and_in_order() -> None:
    """Everybody who waits is woken, in the order they came, and must ask again."""
    slots = Slots(1)
    woken: list[str] = []
    first, second = lambda: woken.append("first"), lambda: woken.append("second")
    slots.wait(first)
    slots.wait(second)
    slots.wait(first)

    for _ in range(2):
        slots.take(is_suspect=False)
        slots.release(is_suspect=False)

    assert woken == ["first", "second"]


def test_who_left_is_not_woken() -> None:
    """A dead partition's callback is forgotten."""
    slots = Slots(1)
    woken: list[str] = []
    wake = lambda: woken.append("x")  # noqa: E731
    slots.wait(wake)

    slots.leave(wake)
    slots.take(is_suspect=False)
    slots.release(is_suspect=False)

    assert woken == []


def test_half_of_the_slots_are_kept_for_who_has_none() -> None:
    """Three hundred receivers that would hang eight times each leave a quarter to the others."""
    slots = Slots(1_000)
    out = Counter[int]()
    hanging, others = range(300), range(300, 1_000)
    for subscription in [*(one for one in hanging for _ in range(8)), *others]:
        if slots.admits(False) and (slots.spare > 0 or not out[subscription]):
            slots.take(is_suspect=False)
            out[subscription] += 1

    assert sum(out[one] for one in hanging) < 750
    assert sum(1 for one in others if out[one]) == 1_000 - sum(out[one] for one in hanging)
