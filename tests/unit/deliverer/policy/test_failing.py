"""Tests of what a successor knows of a subscription that only fails."""

import msgspec
import pytest

from deliverer.policy.items import (
    Disable,
    FailingState,
    LaneState,
    Limits,
    Park,
    SubscriptionPolicy,
)
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    DAY,
    LOOSE,
    NOW,
    Registry,
    delivery,
    end,
    feed,
    machine,
    outputs,
    read_back,
    report,
    start,
    state,
    tick,
)

PATIENT = msgspec.structs.replace(
    LOOSE, schedule_ms=(5_000,) * 60, max_age_ms=30 * DAY, max_in_flight=8
)
LIMITS = Limits()


def _failed(made: Machine, times: int, *, now: int = NOW) -> None:
    """Let so many attempts fail, all out at once."""
    running = [start(made, now) for _ in range(times)]
    for attempt in running:
        made.finish(attempt, report(Outcome.HTTP_5XX, status=500), now)


def _fed(registry: Registry, count: int, found: dict[str, FailingState] | None = None) -> Machine:
    made = machine(registry, recovered=state(failing=found or {}), limits=LIMITS)
    feed(made, *(delivery(offset) for offset in range(count)))
    return made


def _registry(**changes: object) -> Registry:
    return Registry(s=msgspec.structs.replace(PATIENT, **changes))


@pytest.mark.parametrize(("times", "written"), [(2, []), (3, [("s", FailingState(NOW, 3))])])
def test_a_few_failures_in_a_row_are_remembered(
    times: int, written: list[tuple[str, FailingState]]
) -> None:
    """A receiver that fails now and then costs no records."""
    made = _fed(_registry(), 8)

    _failed(made, times)

    assert tick(made).failing == written
    assert tick(made).failing == []


def test_a_success_forgets_it_in_the_same_tick() -> None:
    """The record may never outlive a success that is committed."""
    made = _fed(_registry(), 8)
    _failed(made, 4)
    tick(made)

    end(made, start(made))
    snapshot = tick(made)

    assert snapshot.failing == [("s", None)]
    assert tick(made).failing == []


def test_days_without_success_outlast_owners() -> None:
    """A deploy a day, a few failures each: after five days and twenty attempts it is given up."""
    found: dict[str, FailingState] = {}
    ended: list[tuple[int, Disable]] = []
    for day in range(8):
        now = NOW + day * DAY
        made = machine(_registry(), recovered=state(failing=found))
        feed(made, *(delivery(offset) for offset in range(4)))
        for _ in range(4):
            made.wake(now)
            notices = made.finish(start(made, now), report(Outcome.TIMEOUT), now)
            now += 16 * 60_000
            ended += [(day, notice) for notice in notices]
            if ended:
                break
        found |= {name: one for name, one in tick(made, now).failing if one is not None}
        if ended:
            break

    assert ended == [(5, Disable("s", "failing"))]


def test_a_successor_asks_a_dead_receiver_once() -> None:
    """Its breaker is open, the probe due at once; one attempt at a time, in a suspect's slot."""
    made = _fed(_registry(), 8, {"s": FailingState(NOW - DAY, 12)})

    probe = start(made)

    assert probe.is_suspect
    assert made.next_start(NOW) is None
    assert made.view.breakers_by_state() == {"open": 0, "half_open": 1}
    end(made, probe)
    assert made.view.breakers_by_state() == {"open": 0, "half_open": 0}
    assert tick(made).failing == [("s", None)]


def test_a_successor_counts_on() -> None:
    """Seven failures and three more open the breaker."""
    made = _fed(_registry(), 8, {"s": FailingState(NOW - DAY, 7)})

    _failed(made, 3)

    assert made.view.breakers_by_state()["open"] == 1
    assert tick(made).failing == [("s", FailingState(NOW - DAY, 10))]


def test_a_long_retry_after_outlasts_an_owner() -> None:
    """What a receiver asked for is never shortened, for any lane of it."""
    made = _fed(_registry(), 1)
    end(made, start(made), Outcome.HTTP_429, status=429, retry_after_ms=DAY)
    written = dict(tick(made).failing)

    successor = _fed(_registry(), 1, {n: s for n, s in written.items() if s is not None})

    assert written == {"s": FailingState(NOW, 1, NOW + DAY)}
    assert successor.next_start(NOW + DAY - 1) is None
    successor.wake(NOW + DAY)
    assert successor.sweep_target(NOW + DAY) == 0
    successor.read_sweep([delivery(0)], start=0, end=1, now=NOW + DAY)
    assert start(successor, NOW + DAY).number == 1


def test_a_wait_that_is_over_leaves_nothing_behind() -> None:
    """Neither a record nor a place in memory, also without any event of the subscription."""
    found = {"s": FailingState(0, 0, NOW + DAY)}
    made = machine(_registry(), recovered=state(failing=found), limits=LIMITS)

    made.wake(NOW + DAY)

    assert made.has_output
    assert tick(made, NOW + DAY).failing == [("s", None)]
    assert not made._state.seats


@pytest.mark.parametrize("policy", [None, msgspec.structs.replace(PATIENT, status="disabled")])
def test_what_is_gone_is_forgotten_at_a_takeover(policy: SubscriptionPolicy | None) -> None:
    """Deleted or disabled: enabled again it begins anew."""
    registry = Registry() if policy is None else Registry(s=policy)
    made = machine(registry, recovered=state(failing={"s": FailingState(1, 9)}), is_confirmed=False)

    assert tick(made).failing == [("s", None)]


@pytest.mark.parametrize("change", ["deleted", "enabled"])
def test_an_edit_that_begins_anew_forgets_it(change: str) -> None:
    """Deleted, or enabled again after a pause."""
    registry = _registry()
    made = _fed(registry, 8)
    _failed(made, 3)
    tick(made)

    if change == "deleted":
        del registry["s"]
        made.registry_changed("s", NOW)
    else:
        for status in ("paused", "active"):
            registry.update(_registry(status=status))
            made.registry_changed("s", NOW)

    assert tick(made).failing == [("s", None)]


def test_a_strict_lane_is_remembered_across_its_retries() -> None:
    """One head alone makes the streak, each owner sees one attempt: only the first is forgotten."""
    registry = _registry(modes={0: "strict"})
    made = machine(registry, limits=LIMITS)
    feed(made, delivery(0))
    park: Park | None = None
    now = NOW
    written: dict[str, FailingState | None] = {}
    for _ in range(5):
        if park is None:
            attempt = start(made, now)
        else:
            now = park.due_at
            read_back(made, park, now=now)
            made.wake(now)
            attempt = start(made, now)
        made.finish(attempt, report(Outcome.TIMEOUT), now)
        snapshot = tick(made, now)
        (park,) = outputs(snapshot, Park)
        written |= dict(snapshot.failing)
        made = _handed_over(made, registry, park, written)

    assert written == {"s": FailingState(NOW + 5_000, 4)}


def _handed_over(
    made: Machine, registry: Registry, park: Park, found: dict[str, FailingState | None]
) -> Machine:
    """Take over: the head is held, the delay topic holds its record alone."""
    held = LaneState(1, [], (park.delivery.sequence, park.attempt), NOW)
    remembered = {name: one for name, one in found.items() if one is not None}
    recovered = state(term=made.term, lanes={"s/0": held}, failing=remembered)
    return machine(registry, recovered=recovered, limits=LIMITS)
