"""Slots of one process, shared between partitions."""

from deliverer.slots import Slots


def test_slots_end_at_the_bound() -> None:
    """Nobody is admitted beyond the bound, and a release admits again."""
    slots = Slots(2)
    first = slots.take("a")
    slots.take("b")

    assert not slots.admits("c")

    slots.release(first)
    assert slots.admits("c")
    assert slots.in_flight == 1


def test_suspects_hold_a_fifth_at_most() -> None:
    """Subscriptions that failed cannot fill the process; healthy ones still start."""
    slots = Slots(10)
    for name in ("a", "b", "c"):
        slots.judge(name, has_failed=True)
    slots.take("a")
    slots.take("b")

    assert not slots.admits("c")
    assert slots.admits("healthy")


def test_a_success_ends_the_suspicion() -> None:
    """The next attempt after a success counts among the healthy."""
    slots = Slots(5)
    slots.judge("a", has_failed=True)
    ticket = slots.take("a")

    slots.judge("a", has_failed=False)

    assert slots.admits("a")
    slots.release(ticket)
    slots.judge("b", has_failed=True)
    assert slots.admits("b"), "the suspect's slot came back although it is none any more"


def test_a_single_slot_is_open_to_suspects() -> None:
    """A share that rounds to nothing would stop retries for ever."""
    slots = Slots(1)
    slots.judge("a", has_failed=True)

    assert slots.admits("a")


def test_a_release_wakes_who_waits_once_and_in_order() -> None:
    """Everybody who waits is woken, in the order they came, and must ask again."""
    slots = Slots(1)
    woken: list[str] = []
    first, second = lambda: woken.append("first"), lambda: woken.append("second")
    slots.wait(first)
    slots.wait(second)
    slots.wait(first)

    slots.release(slots.take("a"))
    slots.release(slots.take("a"))

    assert woken == ["first", "second"]


def test_who_left_is_not_woken() -> None:
    """A dead partition's callback is forgotten."""
    slots = Slots(1)
    woken: list[str] = []
    wake = lambda: woken.append("x")  # noqa: E731
    slots.wait(wake)

    slots.leave(wake)
    slots.release(slots.take("a"))

    assert woken == []
