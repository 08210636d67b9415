"""Tests of the bound per host: exact, in turn, in order, and never in the way of other hosts."""

from collections import Counter, deque
from random import Random  # noqa: TID251 - seeded: the same run each time

import msgspec
import pytest

from deliverer.hosts import Doors, HostSlots, host_cap
from deliverer.policy.items import Attempt, Delivery
from deliverer.policy.machine import Machine
from deliverer.slots import Slots
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import LOOSE, NOW, Registry, delivery, end, feed, machine

TWO_OUT = msgspec.structs.replace(LOOSE, max_in_flight=2)


class Spare(Slots):
    """Slots of which a test says how many are spare."""

    left = 1_000

    @property
    def spare(self) -> int:
        """Return what the test says."""
        return self.left


class Owner:
    """A partition's machine with its doors, as the worker uses them."""

    def __init__(self, hosts: HostSlots, *names: str) -> None:
        self.machine: Machine = machine(Registry(dict.fromkeys(names, TWO_OUT)))
        self.hosts = hosts
        self.told: list[str] = []
        self.is_poked = False
        self.slots = Spare(1_000)
        self.doors = Doors(
            self.slots, hosts, host_of=_host_of, tell=self.told.append, wake=self._poke
        )
        self.running: list[Attempt] = []
        self.sequence = 0

    def _poke(self) -> None:
        self.is_poked = True

    def feed(self, *names: str) -> None:
        """Read one delivery for each name."""
        made: list[Delivery] = []
        for name in names:
            made.append(delivery(self.sequence, f"{name}/0"))
            self.sequence += 1
        feed(self.machine, *made)

    def step(self) -> list[str]:
        """Start what may start; gives whose attempts those are."""
        self.is_poked = False
        self.doors.open()
        started = []
        doors = self.doors
        while (
            attempt := self.machine.next_start(NOW, admits=doors.admits, hosts=doors)
        ) is not None:
            assert attempt.host is not None
            self.hosts.take(attempt.host)
            self.running.append(attempt)
            started.append(attempt.delivery.subscription)
        self.doors.settle(self.machine.full_hosts)
        return started

    def end(self, attempt: Attempt, outcome: Outcome = Outcome.DELIVERED) -> None:
        """End an attempt as the worker does: the place is free before the machine hears of it."""
        self.running.remove(attempt)
        assert attempt.host is not None
        self.hosts.release(attempt.host)
        end(self.machine, attempt, outcome)
        self.is_poked = True


def _host_of(subscription: str) -> str | None:
    return f"{subscription[0]}.example:443"


@pytest.mark.parametrize(("slots", "share", "cap"), [(1000, 0.25, 250), (3, 0.25, 1), (8, 1.0, 8)])
def test_the_cap_is_a_share_and_never_nothing(slots: int, share: float, cap: int) -> None:
    """A small process must still deliver to every host."""
    assert host_cap(slots, share) == cap


def test_many_subscriptions_of_one_host_leave_the_others_their_slots() -> None:
    """Five hundred on one host start as many as it may hold; who comes behind them starts, too."""
    names = [f"evil{i}" for i in range(500)]
    owner = Owner(HostSlots(5), *names, "good")
    owner.feed(*names, "good")

    started = owner.step()

    assert Counter(name[:4] for name in started) == {"evil": 5, "good": 1}
    assert owner.hosts.in_flight("e.example:443") == 5
    assert len(owner.told) == 495


def test_a_free_place_goes_to_who_waited_longest() -> None:
    """Whoever just had a place stands at the end of the line, however busy it is."""
    owner = Owner(HostSlots(1), "xa", "xb", "xc")
    owner.feed("xa", "xa", "xb", "xc")
    order = owner.step()

    while owner.running:
        owner.end(owner.running[0])
        order += owner.step()

    assert order == ["xa", "xb", "xc", "xa"]


def test_partitions_take_turns_at_a_host() -> None:
    """One that is busy does not pass another that waits; a place is never left empty."""
    hosts = HostSlots(1)
    one, other = Owner(hosts, "xa"), Owner(hosts, "xb")
    one.feed("xa", "xa", "xa")
    other.feed("xb", "xb")
    order = one.step() + other.step()

    for _ in range(4):
        (running,) = [(who, attempt) for who in (one, other) for attempt in who.running]
        running[0].end(running[1])
        assert one.is_poked or other.is_poked
        order += one.step() + other.step() + one.step()

    assert order == ["xa", "xa", "xb", "xa", "xb"]
    assert hosts.in_flight("x.example:443") == 1


def test_one_that_may_start_nothing_steps_aside() -> None:
    """A partition in doubt would else keep a free place from all the others."""
    hosts = HostSlots(1)
    one, other = Owner(hosts, "xa"), Owner(hosts, "xb")
    holder = Owner(hosts, "xc")
    holder.feed("xc")
    one.feed("xa")
    other.feed("xb")
    for owner in (holder, one, other):
        owner.step()

    holder.end(holder.running[0])
    woken = one.is_poked, other.is_poked
    one.doors.step_aside()

    assert woken == (True, False)
    assert other.is_poked
    assert other.step() == ["xb"]
    assert one.step() == []
    other.end(other.running[0])
    assert one.step() == ["xa"]


def test_a_full_host_is_counted_while_somebody_waits() -> None:
    """What the gauge shows."""
    hosts = HostSlots(1)
    owner = Owner(hosts, "xa", "xb")
    owner.feed("xa", "xb")
    before = hosts.full
    owner.step()
    full = hosts.full

    owner.end(owner.running[0])
    owner.step()

    assert (before, full, hosts.full) == (0, 1, 0)


def test_a_retry_that_waits_for_its_host_keeps_its_number() -> None:
    """Waiting burns no attempt: the delivery goes out later under the number it had."""
    owner = Owner(HostSlots(1), "xa", "xb")
    owner.feed("xa", "xb")
    owner.step()

    owner.end(owner.running[0], Outcome.TIMEOUT)
    owner.step()

    assert [(one.delivery.subscription, one.number) for one in owner.running] == [("xb", 1)]


@pytest.mark.parametrize("seed", range(30))
def test_any_crowd_ends_in_order_within_the_bound(seed: int) -> None:
    """Random partitions, hosts, ends: never above the cap, each lane in order, nobody starves."""
    dice = Random(seed)
    cap = dice.randrange(1, 4)
    hosts = HostSlots(cap)
    names = [f"{host}{i}" for host in "xyz" for i in range(dice.randrange(1, 5))]
    owners = [Owner(hosts, *names) for _ in range(dice.randrange(1, 4))]
    expected = 0
    delivered: list[dict[str, deque[int]]] = [{} for _ in owners]
    for owner in owners:
        fed = [dice.choice(names) for _ in range(40)]
        expected += len(fed)
        owner.feed(*fed)
        owner.is_poked = True
    while any(owner.is_poked or owner.running for owner in owners):
        owner = dice.choice(owners)
        if owner.is_poked and dice.random() < 0.1:
            owner.doors.step_aside()
        elif owner.is_poked:
            owner.step()
        elif owner.running:
            attempt = dice.choice(owner.running)
            owner.end(attempt)
            lanes = delivered[owners.index(owner)]
            lanes.setdefault(attempt.delivery.subscription, deque()).append(
                attempt.delivery.sequence
            )
        for host in ("x.example:443", "y.example:443", "z.example:443"):
            assert hosts.in_flight(host) <= cap

    assert sum(len(lane) for lanes in delivered for lane in lanes.values()) == expected
    assert hosts.full == 0
    assert not any(owner.machine.full_hosts for owner in owners)


def test_scarce_slots_are_for_those_that_have_none() -> None:
    """Whoever has attempts out waits; it is back when slots are spare, or its attempts ended."""
    owner = Owner(HostSlots(100), "xa", "yb", "zc")
    owner.feed("xa", "xa", "yb", "yb")
    owner.slots.left = 0
    first = owner.step()
    owner.feed("zc")
    second = owner.step()
    owner.end(owner.running[0])
    third = owner.step()
    owner.slots.left = 1
    fourth = owner.step()

    assert (first, second, third, fourth) == (["xa", "yb"], ["zc"], ["xa"], ["yb"])
    assert not owner.machine.has_sated
