"""Records between their arrival and the machine."""

from collections.abc import Sequence
from typing import Any

from deliverer.arrivals import Arrivals, TierArrivals
from deliverer.policy.items import Delivery, Parked
from tests.fakes.deliverer import NAMES, FakeRecord, delivery_record, retry_record


class Script:
    """A machine that writes down what it was given."""

    def __init__(self, head_position: int = 0, *, zombie_after: int = 99) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.head_position = head_position
        self._zombie_after = zombie_after

    def read_head(self, records: Sequence[Delivery], *, end: int, now: int) -> None:
        """Note the offsets and the end."""
        self.calls.append(("read", [record.sequence for record in records], end))

    def skip_head(self, offset: int) -> bool:
        """Note the offset; True when it was not settled before."""
        self.calls.append(("skip", offset))
        return offset >= self.head_position

    def read_tier(self, tier: int, records: Sequence[Parked], *, end: int, now: int) -> bool:
        """Note the offsets and the end."""
        self.calls.append(("read", tier, [record.offset for record in records], end))
        return len(self.calls) <= self._zombie_after

    def skip_tier(self, tier: int, offset: int) -> bool:
        """Note the offset."""
        self.calls.append(("skip", tier, offset))
        return True


def hand_over(arrivals: Arrivals, machine: Script, *, reached: int) -> list[int]:
    """Hand over; return which offsets were set aside."""
    aside = arrivals.hand_over(machine, reached=reached, now=0)  # type: ignore[arg-type]
    return [len(item.record.value or b"") for item in aside]


def test_a_batch_goes_over_in_the_order_of_the_log() -> None:
    """A record that cannot be read is skipped at its place between the others."""
    arrivals, machine = Arrivals(NAMES), Script()
    arrivals.add([delivery_record(0), FakeRecord(1), delivery_record(3)], 5)

    aside = hand_over(arrivals, machine, reached=0)

    assert machine.calls == [("read", [0], 1), ("skip", 1), ("read", [3], 5)]
    assert len(aside) == 1
    assert arrivals.is_empty


def test_a_batch_waits_for_the_highest_position_it_names() -> None:
    """R1 holds for every record of it, and for the batches behind."""
    arrivals, machine = Arrivals(NAMES), Script()
    arrivals.add([delivery_record(0, registry_offset=9), delivery_record(1)], 2)
    arrivals.add([delivery_record(2)], 3)

    hand_over(arrivals, machine, reached=8)
    assert machine.calls == []
    assert arrivals.needs_registry == 9
    assert arrivals.end == 3

    hand_over(arrivals, machine, reached=9)
    assert machine.calls == [("read", [0, 1], 2), ("read", [2], 3)]
    assert arrivals.needs_registry == 0


def test_markers_alone_move_the_position() -> None:
    """A batch without records still says how far the log was read (K2)."""
    arrivals, machine = Arrivals(NAMES), Script()
    arrivals.add([], 7)

    hand_over(arrivals, machine, reached=0)

    assert machine.calls == [("read", [], 7)]


def test_junk_read_again_is_not_set_aside_again() -> None:
    """A rebalance or a takeover makes the consumer read it once more (H1, H3)."""
    arrivals, machine = Arrivals(NAMES), Script(head_position=5)
    arrivals.add([FakeRecord(1)], 2)

    assert hand_over(arrivals, machine, reached=0) == []


def test_delay_records_go_over_by_tier() -> None:
    """Each tier in offset order, junk at its place."""
    arrivals, machine = TierArrivals(NAMES), Script()
    arrivals.add(0, [retry_record(0, sequence=1, term=1), FakeRecord(1)], 3)
    arrivals.add(2, [retry_record(4, sequence=2, term=1)], 5)
    assert arrivals.has(0)
    assert not arrivals.has(1)

    aside = arrivals.hand_over(machine, now=0)  # type: ignore[arg-type]

    assert aside is not None
    assert len(aside) == 1
    assert machine.calls == [
        ("read", 0, [0], 1), ("skip", 0, 1), ("read", 0, [], 3), ("read", 2, [4], 5),
    ]  # fmt: skip
    assert not arrivals.has(0)


def test_a_zombie_hands_over_nothing_more() -> None:
    """The machine's word that a successor wrote there ends it at once."""
    arrivals = TierArrivals(NAMES)
    arrivals.add(0, [retry_record(0, sequence=1, term=9)], 1)
    arrivals.add(1, [retry_record(0, sequence=1, term=1)], 1)
    machine = Script(zombie_after=0)

    assert arrivals.hand_over(machine, now=0) is None  # type: ignore[arg-type]
    assert len(machine.calls) == 1


def test_a_zombie_is_noticed_in_front_of_junk() -> None:
    """The record before an unreadable one counts like any other."""
    arrivals, machine = TierArrivals(NAMES), Script(zombie_after=0)
    arrivals.add(0, [retry_record(0, sequence=1, term=9), FakeRecord(1)], 2)

    assert arrivals.hand_over(machine, now=0) is None  # type: ignore[arg-type]
