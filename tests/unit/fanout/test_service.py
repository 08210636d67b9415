"""Tests of the wiring of the fan-out."""

import gc
import weakref

import pytest

from chassis.admin import AdminServer
from chassis.metrics import LoopLag, make_registry
from chassis.preconditions import Preconditions
from chassis.retention import RetentionWatch
from chassis.settings import AdminSettings, KafkaSettings, SettingsError, TopicsSettings, load
from fanout.components import Membership, Reading
from fanout.metrics import FanoutMetrics
from fanout.service import Actors, BrokenRules, build, main
from fanout.settings import FanoutSettings
from schemas.filters import FilterError
from schemas.schema_survey import SchemaError
from tests.fakes.clock import ManualClock
from tests.registry_keys import event_type_key

SETTINGS = FanoutSettings(
    kafka=KafkaSettings(bootstrap_servers=("localhost:1",)),
    topics=TopicsSettings(prefix="p", partitions=4, replication_factor=1),
    admin=AdminSettings(host="127.0.0.1", port=0),
)


async def test_components_come_dependencies_first() -> None:
    """Probes answer while the others start; the intake comes last and drains first."""
    components = build(SETTINGS)

    assert [type(component) for component in components] == [
        AdminServer,
        LoopLag,
        Preconditions,
        Reading,
        RetentionWatch,
        Membership,
    ]


async def test_a_process_without_partitions_is_a_standby() -> None:
    """Nothing assigned, nothing to wait for."""
    actors = Actors(SETTINGS, FanoutMetrics(make_registry("fanout")), ManualClock())

    assert actors.are_running() is True
    assert actors.committed() == {}
    assert actors.group == "p-fanout"
    assert actors.events_topic == "p.events"


async def test_a_made_actor_counts_only_once_it_runs() -> None:
    """Its lag is unknown before its takeover."""
    actors = Actors(SETTINGS, FanoutMetrics(make_registry("fanout")), ManualClock())

    actor = actors.make(2)

    assert not actor.is_running
    assert actors.committed() == {}


async def test_an_actor_that_was_closed_is_let_go() -> None:
    """Else a process would keep something of each partition that it ever owned."""
    actors = Actors(SETTINGS, FanoutMetrics(make_registry("fanout")), ManualClock())
    first = weakref.ref(actors.make(2))
    second = weakref.ref(actors.make(2))

    for made in (first, second):
        if (actor := made()) is not None:
            await actor.close("lost")
            actors.forget(2, actor)
        actor = None
    gc.collect()

    assert (first(), second()) == (None, None)


async def test_a_closed_actor_takes_no_successor_along() -> None:
    """Its partition may have been taken over again by then."""
    actors = Actors(SETTINGS, FanoutMetrics(make_registry("fanout")), ManualClock())
    first, second = actors.make(2), weakref.ref(actors.make(2))

    actors.forget(2, first)
    gc.collect()

    assert second() is not None


def test_broken_rules_of_the_registry_are_counted() -> None:
    """An alarm can stand on each kind."""
    instruments = make_registry("fanout")
    rules = BrokenRules(FanoutMetrics(instruments))

    rules.on_filter_broken(b"acme/subscription/sub_1", [FilterError("/a", "odd")])
    rules.on_schema_broken(event_type_key("a"), [SchemaError("/$ref", "odd")])

    for kind in ("filter_broken", "schema_broken"):
        value = instruments.get_sample_value("hooklane_fanout_rule_faults_total", {"kind": kind})
        assert value == 1


def test_events_that_a_running_partition_lost_are_counted() -> None:
    """By the name on which the alarm stands."""
    instruments = make_registry("fanout")

    FanoutMetrics(instruments).ownership.on_records_lost(7)

    assert instruments.get_sample_value("hooklane_records_lost_total", {"kind": "events"}) == 7


def test_a_missing_broker_address_is_one_clear_line() -> None:
    """The settings refuse; nothing starts."""
    with pytest.raises(SettingsError) as caught:
        load(FanoutSettings, {})

    assert "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS" in str(caught.value.problems)
    assert callable(main)
