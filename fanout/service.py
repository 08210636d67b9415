"""Wire the fan-out: one table, one group member, one actor for each partition it owns."""

from collections.abc import Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry

from chassis import kafka, logs
from chassis.admin import AdminServer
from chassis.clock import Clock, SystemClock
from chassis.debug import Describe
from chassis.lifecycle import Component, command
from chassis.metrics import LoopLag, make_registry
from chassis.ownership import Actor, Ownership
from chassis.preconditions import Preconditions
from chassis.retention import KafkaSafeOffsets, RetentionWatch
from chassis.table import Table
from chassis.tick import TickProducer
from chassis.tracing import Tracing, make_tracing
from fanout.components import Membership, Reading
from fanout.directory import Entry, decode_entry
from fanout.event_log import EventLog
from fanout.lag import LagWatch
from fanout.metrics import EVENTS, FanoutMetrics
from fanout.parts import Parts, Place
from fanout.pipeline import PartitionFanout
from fanout.registry import Registry, RegistryHooks
from fanout.retention import endangered
from fanout.settings import FanoutSettings
from schemas.filters import FilterError
from schemas.schema_survey import SchemaError
from schemas.topics import TopicPlan, plan, topic_name, transactional_id

NAME = "fanout"
CLIENT_ID = "hooklane-fanout"
DRAIN_S = 3.0
READY_LAG_S = 30.0
COMMIT_S = 20.0
TRANSACTION_S = 360.0
"""A tick of one event for 1,000 subscriptions may weigh 300 MB: five minutes at the slowest."""
USED_TOPICS = ("events", "deliveries", "registry", "quarantine")


class Actors:
    """Makes the actors of this process and knows the latest of each partition."""

    def __init__(
        self,
        settings: FanoutSettings,
        metrics: FanoutMetrics,
        clock: Clock,
        *,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings = settings
        self._tracing = tracing
        self._metrics = metrics
        self._clock = clock
        self._topic_of = partial(topic_name, settings.topics.prefix)
        self._log = logs.get("pipeline")
        self._latest: dict[int, PartitionFanout] = {}
        self.group = f"{settings.topics.prefix}-{NAME}"
        self.events_topic = self._topic_of("events")
        self.registry = Registry(partitions=settings.topics.partitions, hooks=BrokenRules(metrics))
        self.table: Table[Entry | None] = Table(
            settings.kafka,
            topic=self._topic_of("registry"),
            decode=decode_entry,
            client_id=CLIENT_ID,
            log=logs.get("registry"),
            on_change=self.registry.changed,
            on_broken=metrics.registry_broken.inc,
            clock=clock,
        )
        self.registry.attach(self.table)
        self.ownership = Ownership(
            settings.kafka,
            topic=self.events_topic,
            group=self.group,
            client_id=CLIENT_ID,
            make_actor=self.make,
            log=logs.get("ownership"),
            drain_s=DRAIN_S,
            hooks=metrics.ownership,
        )
        metrics.ownership.watch(
            assigned=self.ownership.assigned, running=self.ownership.running, closed=self.forget
        )

    def make(self, partition: int) -> PartitionFanout:
        """Make the actor of a partition that was just assigned."""
        settings = self._settings
        producer = TickProducer(
            settings.kafka,
            transactional_id=transactional_id(settings.topics.prefix, "fanout", partition),
            client_id=f"{CLIENT_ID}-{partition}",
            clock=self._clock,
            commit_timeout_s=COMMIT_S,
            transaction_s=TRANSACTION_S,
        )
        log_reader = EventLog(
            partial(kafka.consumer, settings.kafka, client_id=f"{CLIENT_ID}-recall"),
            partial(kafka.admin, settings.kafka, client_id=f"{CLIENT_ID}-offsets"),
            topic=self.events_topic,
            deliveries_topic=self._topic_of("deliveries"),
            group=self.group,
            log=self._log,
            on_lost=self._metrics.lost.inc,
        )
        place = Place(
            partition=partition,
            partitions=settings.topics.partitions,
            events_topic=self.events_topic,
            group=self.group,
            topic_of=self._topic_of,
        )
        parts = Parts(
            producer=producer,
            registry=self.registry,
            log_reader=log_reader,
            clock=self._clock,
            metrics=self._metrics,
            log=self._log,
            wake=self.ownership.wake,
            tracing=self._tracing,
        )
        actor = self._latest[partition] = PartitionFanout(place, parts, limits=settings.fanout)
        return actor

    def forget(self, partition: int, actor: Actor) -> None:
        """Let go of an actor that was closed, if no other took its place."""
        if self._latest.get(partition) is actor:
            del self._latest[partition]

    def descriptions(self) -> Mapping[str, Describe]:
        """Return what `/debug` shows."""
        return {
            "group": lambda _: {"is_joined": self.ownership.is_joined},
            "registry": lambda _: {
                "is_caught_up": self.table.is_caught_up,
                "records": self.table.records,
            },
            "partitions": lambda asked: [
                actor.describe()
                for partition, actor in sorted(self._latest.items())
                if self.ownership.is_assigned(partition)
            ][: asked.items_max],
        }

    def committed(self) -> Mapping[int, int]:
        """Return the committed offset of each partition that runs here."""
        return {p: actor.committed for p, actor in self._latest.items() if actor.is_running}

    def stands_at(self) -> Mapping[int, int]:
        """Return from where each partition of this process is not read, worked on or not."""
        return {**self.ownership.waiting(), **self.committed()}

    def are_running(self) -> bool | str:
        """Return whether every assigned partition is worked on."""
        running = self.committed()
        waiting = [
            partition
            for partition in range(self._settings.topics.partitions)
            if self.ownership.is_assigned(partition) and partition not in running
        ]
        return f"partitions not yet taken over: {waiting}" if waiting else True


def build(settings: FanoutSettings) -> Sequence[Component]:
    """Return the components of a fan-out process, in the order of their start."""
    clock = SystemClock()
    instruments = make_registry(NAME)
    metrics = FanoutMetrics(instruments)
    tracing = make_tracing(
        settings.tracing, service=CLIENT_ID, instruments=instruments, log=logs.get(NAME)
    )
    actors = Actors(settings, metrics, clock, tracing=tracing)
    end_reader = partial(kafka.consumer, settings.kafka, client_id=f"{CLIENT_ID}-lag")
    lag = LagWatch(
        end_reader,
        partial(end_reader, isolation="read_uncommitted"),
        topic=actors.events_topic,
        stands_at=actors.stands_at,
        clock=clock,
        log=logs.get("lag"),
    )
    metrics.watch(
        lag_records=lag.records,
        held_s=lag.held_s,
        registry_records=lambda: float(actors.table.records),
        registry_lag_s=actors.table.lag_s,
    )
    gate = Preconditions(
        settings.kafka,
        _plans(settings),
        client_id=f"{CLIENT_ID}-start",
        log=logs.get(NAME),
        clock=clock,
        instruments=instruments,
    )
    admin = _admin(settings, instruments, actors)
    admin.add_checks(gate.checks())
    admin.add_debug(actors.descriptions())
    return [
        admin,
        LoopLag(instruments, clock=clock),
        *([tracing] if tracing else []),
        gate,
        Reading([actors.table, lag]),
        _retention_watch(settings, instruments, actors, clock=clock),
        Membership(actors.ownership),
    ]


def _retention_watch(
    settings: FanoutSettings, instruments: CollectorRegistry, actors: Actors, *, clock: Clock
) -> RetentionWatch[int]:
    logs_kept = (actors.events_topic,)
    return RetentionWatch(
        KafkaSafeOffsets(settings.kafka, client_id=f"{CLIENT_ID}-retention", topics=logs_kept),
        instruments,
        topics=logs_kept,
        labels=(EVENTS,),
        owned=actors.stands_at,
        endangered=endangered,
        clock=clock,
        log=logs.get("retention"),
    )


def _admin(settings: FanoutSettings, instruments: CollectorRegistry, actors: Actors) -> AdminServer:
    def is_registry_fresh() -> bool | str:
        if not actors.table.is_caught_up:
            return "the registry is still being read"
        is_fresh = actors.table.lag_s() < READY_LAG_S
        return is_fresh or "the registry was not read for a while"

    checks = {
        **actors.ownership.checks(),
        "partitions": actors.are_running,
        "registry": is_registry_fresh,
    }
    return AdminServer(settings.admin, checks=checks, registry=instruments)


def _plans(settings: FanoutSettings) -> list[TopicPlan]:
    prefix = settings.topics.prefix
    used = {topic_name(prefix, suffix) for suffix in USED_TOPICS}
    every = plan(prefix, settings.topics.partitions, settings.topics.replication_factor)
    return [one for one in every if one.name in used]


class BrokenRules(RegistryHooks):
    """Counts and alarms what was stored but cannot be used."""

    def __init__(self, metrics: FanoutMetrics) -> None:
        self._metrics = metrics
        self._log = logs.get("registry")

    def on_filter_broken(self, key: bytes, errors: Sequence[FilterError]) -> None:
        """Name the subscription and the places."""
        self._metrics.rule_faults["filter_broken"].inc()
        places = [f"{error.pointer}: {error.detail}" for error in errors]
        self._log.error("fanout.filter_broken", record=key.decode(), problems=places)

    def on_schema_broken(self, key: bytes, errors: Sequence[SchemaError]) -> None:
        """Name the event type and the places."""
        self._metrics.rule_faults["schema_broken"].inc()
        places = [f"{error.pointer}: {error.detail}" for error in errors]
        self._log.error("fanout.schema_broken", record=key.decode(), problems=places)


main = command(FanoutSettings, build, name=NAME)
