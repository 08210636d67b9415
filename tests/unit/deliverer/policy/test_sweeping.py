"""Tests of the sweep: feed lagging lanes from the log (S1, S2)."""

import msgspec

from deliverer.policy.items import (
    Delivery,
    LaneState,
    Limits,
    Parked,
    SubscriptionPolicy,
    WindowState,
)
from deliverer.policy.machine import Machine
from deliverer.policy.window import Run
from tests.unit.deliverer.policy.build import (
    LOOSE,
    NOW,
    STRICT,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    parked,
    start,
    state,
    tick,
)

PAUSED = msgspec.structs.replace(STRICT, status="paused")
SWEEP = Limits(lane_queue=2, lane_queue_max=2)
NO_TIERS: list[tuple[int, list[Run]]] = [(0, [])] * 3


def _sweep(made: Machine, log: list[Delivery], *, count: int = 100) -> int | None:
    """Let the sweep read some of a log whose offsets are its indices."""
    target = made.sweep_target(NOW)
    if target is not None:
        stop = min(len(log), target + count)
        made.read_sweep(log[target:stop], start=target, end=stop, now=NOW)
    return target


def _resumed(log: list[Delivery], registry: Registry, limits: Limits = SWEEP) -> Machine:
    """Return a machine whose lanes all lag, and accept again."""
    made = machine(registry, limits=limits)
    active = dict(registry)
    for name in registry:
        registry[name] = msgspec.structs.replace(registry[name], status="paused")
        made.registry_changed(name, NOW)
    feed(made, *log)
    for name, policy in active.items():
        registry[name] = policy
        made.registry_changed(name, NOW)
    return made


def test_a_lane_is_fed_from_its_cursor_until_it_has_caught_up() -> None:
    """Then it is live: the head reader feeds it again."""
    log = [delivery(0), delivery(1)]
    made = _resumed(log, Registry(s=STRICT))

    target = _sweep(made, log)
    first = start(made)
    feed(made, delivery(2))

    assert (target, first.delivery.sequence) == (0, 0)
    assert made.view.lanes_by_state()["live"] == 1
    assert made.sweep_target(NOW) is None


def test_order_survives_the_way_through_the_log() -> None:
    """A queue that fills up leaves its lane behind at the right place."""
    log = [delivery(i) for i in range(5)]
    made = _resumed(log, Registry(s=STRICT))
    seen = []

    for _ in range(9):
        _sweep(made, log)
        while (attempt := made.next_start(NOW)) is not None:
            seen.append(attempt.delivery.sequence)
            end(made, attempt)

    assert seen == [0, 1, 2, 3, 4]
    assert tick(made).window.w == 5


def test_a_pass_begins_at_the_lowest_cursor_and_takes_others_along() -> None:
    """A lane joins when the reader meets its first record."""
    log = [delivery(0, "a/0"), delivery(1, "b/0"), delivery(2, "a/0")]
    made = _resumed(log, Registry(a=STRICT, b=STRICT))

    target = _sweep(made, log)

    assert target == 0
    assert {start(made).delivery.sequence for _ in range(2)} == {0, 1}
    assert made.view.lanes_by_state()["lagging"] == 0


def test_a_lane_that_was_left_behind_does_not_join_the_same_pass_again() -> None:
    """Its skipped record would be overtaken."""
    limits = Limits(lane_queue=1, lane_queue_max=1)
    log = [delivery(0, "a/0"), delivery(1, "b/0"), delivery(2, "a/0"), delivery(3, "a/0")]
    made = _resumed(log, Registry(a=STRICT, b=STRICT), limits)
    _sweep(made, log, count=3)  # a takes 0 and leaves at 2; b takes 1
    end(made, start(made))

    made.read_sweep(log[3:], start=3, end=4, now=NOW)
    started = [start(made).delivery.sequence]

    assert started == [1]
    assert made.sweep_target(NOW) == 2


def test_a_lane_without_further_records_becomes_live_at_the_head() -> None:
    """Also one that the pass never met: nothing of it lies in between."""
    log = [delivery(0, "a/0"), delivery(1, "b/0")]
    made = _resumed(log, Registry(a=STRICT, b=STRICT))

    _sweep(made, log)

    assert made.view.lanes_by_state()["lagging"] == 0


def test_a_batch_from_elsewhere_is_ignored() -> None:
    """The pass moved on while the fetch was under way."""
    log = [delivery(0), delivery(1)]
    made = _resumed(log, Registry(s=STRICT))
    made.sweep_target(NOW)

    made.read_sweep(log[1:], start=1, end=2, now=NOW)

    assert made.next_start(NOW) is None
    assert made.sweep_target(NOW) == 0


def test_records_beyond_the_head_are_the_head_readers() -> None:
    """They are taken once, not twice."""
    log = [delivery(0), delivery(1)]
    made = _resumed(log, Registry(s=STRICT))

    made.sweep_target(NOW)
    made.read_sweep([*log, delivery(2)], start=0, end=3, now=NOW)
    feed(made, delivery(2))

    assert made.view.lanes_by_state()["lagging"] == 1  # no room for a third
    assert made.buffered_bytes == 20


def test_a_held_lane_is_read_again_when_its_head_is_final() -> None:
    """The log is the buffer of what waits behind a failing head."""
    log = [delivery(0), delivery(1)]
    made = machine(limits=SWEEP)
    feed(made, *log)
    park = failing(made)
    held = made.sweep_target(NOW)
    assert made.read_tier(0, [parked(park, 0)], end=1, now=NOW)
    made.wake(park.due_at)
    end(made, start(made, park.due_at))

    target = _sweep(made, log)

    assert (held, target) == (None, 1)
    assert start(made).delivery.sequence == 1


def test_a_successor_goes_on_where_the_lane_lagged() -> None:
    """Below the mark the lane's own record says what is settled."""
    log = [delivery(i) for i in range(4)]
    lanes = {"s/0": LaneState(0, [(1, 2)], None, NOW)}
    made = machine(
        Registry(s=LOOSE),
        recovered=state(4, window=WindowState(3, [], NO_TIERS), lanes=lanes),
        limits=Limits(),
    )
    feed(made, log[3])

    target = _sweep(made, log)
    sequences = [start(made).delivery.sequence for _ in range(3)]

    assert target == 0
    assert sequences == [0, 2, 3]
    assert made.next_start(NOW) is None


def test_what_the_window_has_settled_is_not_taken_again() -> None:
    """Above the mark the finished set of all lanes answers (H3)."""
    log = [delivery(i) for i in range(4)]
    lanes = {"s/0": LaneState(0, [], None, NOW)}
    made = machine(
        Registry(s=LOOSE),
        recovered=state(4, window=WindowState(1, [(2, 3)], NO_TIERS), lanes=lanes),
        limits=Limits(),
    )
    feed(made, *log[1:])

    _sweep(made, log)

    assert [start(made).delivery.sequence for _ in range(3)] == [0, 1, 3]


def test_a_held_lane_is_taken_over_with_its_cursor() -> None:
    """Held and behind at once: nothing is read for it before its head is final."""
    lanes = {"s/0": LaneState(1, [], (0, 2), NOW)}
    made = machine(
        recovered=state(9, window=WindowState(5, [], NO_TIERS), lanes=lanes), limits=SWEEP
    )
    head = Parked(delivery(0), 0, 0, NOW, 2, NOW, 0)

    held = made.sweep_target(NOW)
    assert made.read_tier(0, [head], end=1, now=NOW)
    made.wake(NOW)
    end(made, start(made))

    assert held is None
    assert made.sweep_target(NOW) == 1


def test_a_cursor_below_the_beginning_is_raised_and_counted() -> None:
    """Retention passed a lane: an alarm, not a stop."""
    recovered = state(9, window=WindowState(8, [], NO_TIERS))
    recovered.lanes = {"s/0": LaneState(1, [], None, NOW)}
    recovered.deliveries = type(recovered.deliveries)(4, 9)
    made = machine(recovered=recovered, limits=SWEEP)

    assert made.sweep_target(NOW) == 4
    assert made.counts.lost_lows == 1


def test_a_dropped_lane_is_not_read() -> None:
    """Disabling ends the backlog at once, wherever it lies (A5)."""
    log = [delivery(0), delivery(1)]
    registry = Registry(s=STRICT)
    made = _resumed(log, registry)
    tick(made)
    registry["s"] = msgspec.structs.replace(STRICT, lane_epoch=1, drop_before=1)

    made.registry_changed("s", NOW)

    assert made.sweep_target(NOW) is None
    assert tick(made).lanes == [("s/0", None)]


def _gathering(**changes: int) -> Limits:
    """Return limits under which a record read in vain costs 10 ms of rest."""
    fields = {"sweep_near": 0, "sweep_vain_per_s": 100, "sweep_rest_ms": 1_000} | changes
    return msgspec.structs.replace(SWEEP, **fields)


def _held_apart(limits: Limits) -> tuple[Machine, list[Delivery], Registry]:
    """Return a machine with lanes a, b, c, d; only a accepts, and its pass read three in vain."""
    log = [delivery(i, f"{name}/0") for i, name in enumerate("abcd")]
    registry = Registry(a=PAUSED, b=PAUSED, c=PAUSED, d=PAUSED)
    made = machine(registry, limits=limits)
    feed(made, *log)
    _set(made, registry, "a", STRICT)
    assert _sweep(made, log) == 0
    return made, log, registry


def _set(made: Machine, registry: Registry, name: str, policy: SubscriptionPolicy) -> None:
    registry[name] = policy
    made.registry_changed(name, NOW)


def test_lanes_that_come_back_during_a_rest_share_the_next_pass() -> None:
    """The log is read once for both, and the timer says when."""
    made, log, registry = _held_apart(_gathering())
    _set(made, registry, "b", STRICT)

    resting = made.sweep_target(NOW)
    wakes_at = made.next_wake_at
    _set(made, registry, "c", STRICT)
    still_resting = made.sweep_target(NOW + 29)
    target = made.sweep_target(NOW + 30)
    made.read_sweep(log[1:], start=1, end=4, now=NOW + 30)

    assert (resting, still_resting, target) == (None, None, 1)
    assert wakes_at == NOW + 30
    assert made.view.describe()["lagging"] == 1  # d
    assert made.next_wake_at is None or made.next_wake_at > NOW + 30


def test_a_rest_is_never_longer_than_its_bound() -> None:
    """However much was read in vain."""
    made, _, registry = _held_apart(_gathering(sweep_vain_per_s=1, sweep_rest_ms=700))
    _set(made, registry, "b", STRICT)

    assert made.sweep_target(NOW) is None
    assert made.sweep_target(NOW + 699) is None
    assert made.sweep_target(NOW + 700) == 1


def test_nobody_rests_when_no_other_lane_could_come_along() -> None:
    """All that lag are ready: waiting would gather none."""
    made, _, registry = _held_apart(_gathering())
    _set(made, registry, "b", STRICT)
    resting = made.sweep_target(NOW)

    _set(made, registry, "c", STRICT)
    _set(made, registry, "d", STRICT)

    assert resting is None
    assert made.sweep_target(NOW) == 1


def test_a_lane_near_the_head_does_not_rest_and_takes_no_other_along() -> None:
    """Its pass is short: one that must rest is left behind by it."""
    made, log, registry = _held_apart(_gathering(sweep_near=2))
    registry["e"] = PAUSED
    log += [delivery(4, "e/0"), delivery(5, "b/0")]
    feed(made, *log[4:])
    _set(made, registry, "b", STRICT)
    resting = made.sweep_target(NOW)

    _set(made, registry, "e", STRICT)
    target = _sweep(made, log)

    assert (resting, target) == (None, 4)
    assert made.sweep_target(NOW) is None  # and no new rest
    assert made.sweep_target(NOW + 30) == 1


def test_a_lane_left_with_a_full_queue_goes_on_when_it_has_room() -> None:
    """Its receiver is quick: its backlog must not wait for the rest of others."""
    limits = _gathering()
    log = [delivery(i, "a/0") for i in range(4)] + [delivery(4, "b/0"), delivery(5, "c/0")]
    registry = Registry(a=PAUSED, b=PAUSED, c=PAUSED)
    made = machine(registry, limits=limits)
    feed(made, *log)
    _set(made, registry, "a", STRICT)
    _set(made, registry, "b", STRICT)
    _sweep(made, log)  # a leaves full; the pass goes on in vain
    resting = made.sweep_target(NOW)
    started = [start(made), start(made)]

    end(made, next(attempt for attempt in started if attempt.delivery.sequence == 0))

    assert resting is None
    assert made.sweep_target(NOW) == 2
