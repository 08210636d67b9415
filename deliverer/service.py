"""The composition root of the deliverer: which parts there are, and who knows whom."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry

from chassis import kafka, logs
from chassis.admin import AdminServer
from chassis.clock import Clock, SystemClock
from chassis.debug import Describe
from chassis.descriptors import raise_limit
from chassis.lifecycle import Component, command
from chassis.metrics import LoopLag, make_registry
from chassis.ownership import Ownership
from chassis.ownership_metrics import Closed
from chassis.preconditions import Preconditions
from chassis.retention import KafkaSafeOffsets, RetentionWatch
from chassis.table import Table
from chassis.table_writer import TableWriter, system_jitter
from chassis.tick import TickProducer
from chassis.tracing import Tracing, make_tracing
from chassis.vault import Vault
from deliverer.attempts import Attempter
from deliverer.components import Membership, RegistryReader, Sending
from deliverer.debug import descriptions
from deliverer.delays import DelayReader
from deliverer.descriptors import Descriptors, files_for, fit
from deliverer.disabling import Disabler
from deliverer.endpoints import OpenedCache, RegistryEntry, decode_entry
from deliverer.fate import SharedFate
from deliverer.fate_alarm import FateAlarm
from deliverer.host_alarm import HostAlarm
from deliverer.hosts import HostSlots, host_cap
from deliverer.metrics import TIER_NAMES, DelivererMetrics
from deliverer.parts import Parts
from deliverer.policy.items import Limits
from deliverer.policy.retention import endangered
from deliverer.policy.view import MachineView
from deliverer.recollections import Recollections
from deliverer.records import TopicNames
from deliverer.registry import Registry
from deliverer.sampling import Sampler
from deliverer.sender.sender import HttpSender
from deliverer.settings import DelivererSettings
from deliverer.slots import Slots
from deliverer.state import StateReader
from deliverer.sweep import SweepReader
from deliverer.tracing import AttemptTraces
from deliverer.worker import PartitionWorker
from schemas.topics import TIERS, TopicPlan, plan, topic_name, transactional_id

NAME: Final = "deliverer"
CLIENT_ID: Final = "hooklane-deliverer"
READY_LAG_S: Final = 30.0
STATE_FETCH_BYTES: Final = 4_194_304
"""A takeover reads an hour of ticks, tens of megabytes: with small fetches it would mostly wait."""
TRANSACTION_S: Final = 120.0
"""A tick may weigh the whole byte budget, 96 MiB by default: some 106 s at the slowest."""
SHARE_BYTES_MIN: Final = 524_288
"""Twice the largest event: one that is read always fits."""


async def build(settings: DelivererSettings) -> Sequence[Component]:
    """Wire the deliverer; the order is that of the start."""
    clock = SystemClock()
    instruments = make_registry(NAME)
    metrics = DelivererMetrics(instruments)
    names = TopicNames.of(settings.topics.prefix)
    reading = _reading(settings, names, clock, on_broken=metrics.registry_broken.inc)
    metrics.vault_closed.set_function(lambda: reading.registry.closed)
    descriptors = _descriptors(settings)
    sender = _sender(settings, metrics, descriptors)
    delays, sweeps = _log_readers(settings, names, metrics)
    tracing = make_tracing(
        settings.tracing, service=CLIENT_ID, instruments=instruments, log=logs.get(NAME)
    )
    slots = _slots(descriptors, metrics)
    hosts = HostSlots(host_cap(descriptors.max_in_flight, settings.deliverer.host_share))
    parts = Parts(
        topics=names,
        group_id=group_of(settings),
        clock=clock,
        log=logs.get("worker"),
        metrics=metrics,
        slots=slots,
        hosts=hosts,
        host_waits=HostAlarm(hosts, instruments, clock=clock, log=logs.get("hosts")),
        fate=SharedFate(FateAlarm(metrics, logs.get("fate"))),
        recollections=Recollections(settings.deliverer.remembered_max, metrics.recollected),
        limits=limits_of(settings),
        jitter=system_jitter,
        delays=delays,
        sweeps=sweeps,
        registry=reading.registry,
        reader=_state_reader(settings, names),
        attempts=_attempter(settings, sender, clock, metrics=metrics, tracing=tracing),
        disabling=reading.disabler,
        make_writer=lambda partition: _tick_producer(settings, partition, clock),
    )
    membership = Membership(
        lambda make, closed: _ownership(settings, names, metrics, make_actor=make, closed=closed),
        make_worker=lambda partition, group: PartitionWorker(partition, parts, group),
        drain_s=settings.deliverer.drain_s,
    )
    gate = _gate(settings, clock, instruments)
    admin = _admin(settings, instruments, reading.table, membership)
    admin.add_checks(gate.checks())
    admin.add_debug(_debug(membership, slots, sender, reading.table))
    return [
        admin,
        LoopLag(instruments, clock=clock),
        *([tracing] if tracing else []),
        gate,
        RegistryReader(reading.table, reading.writer, reading.disabler),
        Sending(sender),
        delays,
        sweeps,
        _sampler(metrics, clock, membership, reading.table),
        _retention_watch(settings, names, instruments, owned=membership.owned, clock=clock),
        membership,
    ]


def _slots(descriptors: Descriptors, metrics: DelivererMetrics) -> Slots:
    slots = Slots(descriptors.max_in_flight)
    metrics.in_flight.set_function(lambda: slots.in_flight)
    metrics.suspects_in_flight.set_function(lambda: slots.suspects_in_flight)
    metrics.in_flight_limit.set(descriptors.max_in_flight)
    return slots


def _attempter(
    settings: DelivererSettings,
    sender: HttpSender,
    clock: Clock,
    *,
    metrics: DelivererMetrics,
    tracing: Tracing | None,
) -> Attempter:
    return Attempter(
        sender,
        clock=clock,
        metrics=metrics,
        log=logs.get("attempts").bind(),
        traces=AttemptTraces(tracing, group=group_of(settings)) if tracing else None,
        tells_trace=settings.deliverer.send_trace,
    )


def _debug(
    membership: Membership, slots: Slots, sender: HttpSender, table: Table[RegistryEntry]
) -> Mapping[str, Describe]:
    return descriptions(
        membership.workers,
        slots=slots,
        sender=sender,
        table=table,
        is_joined=lambda: membership.ownership.is_joined,
    )


def _sampler(
    metrics: DelivererMetrics, clock: Clock, membership: Membership, table: Table[RegistryEntry]
) -> Sampler:
    return Sampler(
        metrics,
        clock=clock,
        partitions=membership.views,
        lag_records=membership.ownership.lag_records,
        table=table,
    )


def _descriptors(settings: DelivererSettings) -> Descriptors:
    """Take as many descriptors as the system gives; do less at once if they are too few."""
    wanted = settings.deliverer.max_in_flight
    fitted = fit(raise_limit(files_for(wanted)), wanted=wanted)
    if fitted.max_in_flight < wanted:
        logs.get(NAME).warning(
            "descriptors.short",
            limit=fitted.limit,
            wanted_in_flight=wanted,
            max_in_flight=fitted.max_in_flight,
        )
    return fitted


def _sender(
    settings: DelivererSettings, metrics: DelivererMetrics, descriptors: Descriptors
) -> HttpSender:
    """Make the one sender of this process; nothing else connects to strangers."""
    egress = settings.egress
    return HttpSender(
        egress.policy(),
        ca_file=egress.ca_file,
        on_connection=metrics.connected,
        idle_max=descriptors.idle_max,
        proxy=egress.proxy(),
    )


def group_of(settings: DelivererSettings) -> str:
    """Name the consumer group of a deployment's deliverers."""
    return f"{settings.topics.prefix}-deliverer"


def limits_of(settings: DelivererSettings) -> Limits:
    """Give each partition its share of the byte budget, half of it for the delay topics.

    Fixed shares: a process that owns few partitions uses less than it may, but a takeover never
    makes it use more.
    """
    share = max(SHARE_BYTES_MIN, settings.deliverer.buffer_bytes // settings.topics.partitions)
    return Limits(
        buffer_bytes=share,
        rest_heap_bytes=share // 4,
        tier_ahead_bytes=share // (4 * len(TIERS)),
        breaker_failures=settings.breaker.failures,
        probe_ms=round(settings.breaker.probe_s * 1000),
        probe_max_ms=round(settings.breaker.probe_max_s * 1000),
        sweep_rest_ms=round(settings.deliverer.sweep_rest_s * 1000),
    )


def _log_readers(
    settings: DelivererSettings, names: TopicNames, metrics: DelivererMetrics
) -> tuple[DelayReader, SweepReader]:
    delays = DelayReader(
        lambda: kafka.consumer(settings.kafka, client_id=f"{CLIENT_ID}-delays"),
        topics=names.tiers,
        log=logs.get("delays"),
    )
    sweeps = SweepReader(
        lambda: kafka.consumer(settings.kafka, client_id=f"{CLIENT_ID}-sweep"),
        topic=names.deliveries,
        log=logs.get("sweep"),
        on_read=metrics.sweep_reads.inc,
    )
    return delays, sweeps


class _Reading(NamedTuple):
    table: Table[RegistryEntry]
    writer: TableWriter[RegistryEntry]
    registry: Registry
    disabler: Disabler


def _reading(
    settings: DelivererSettings,
    names: TopicNames,
    clock: Clock,
    *,
    on_broken: Callable[[], object],
) -> _Reading:
    prefix = settings.topics.prefix

    def changed(partition: int, key: bytes, entry: RegistryEntry | None) -> None:
        registry.changed(partition, key, entry)

    table: Table[RegistryEntry] = Table(
        settings.kafka,
        topic=names.registry,
        decode=decode_entry,
        client_id=CLIENT_ID,
        log=logs.get("registry"),
        on_change=changed,
        on_broken=on_broken,
        clock=clock,
    )
    writer = TableWriter(
        settings.kafka,
        table,
        transactional_id=lambda partition: transactional_id(prefix, "registry", partition),
        client_id=f"{CLIENT_ID}-registry",
        clock=clock,
    )
    registry = Registry(
        table,
        Vault(settings.vault.key_ring()),
        opened=OpenedCache(),
        log=logs.get("registry"),
    )
    disabler = Disabler(table, writer, clock=clock, log=logs.get("disabling"))
    return _Reading(table, writer, registry, disabler)


def _retention_watch(
    settings: DelivererSettings,
    names: TopicNames,
    instruments: CollectorRegistry,
    *,
    owned: Callable[[], Mapping[int, MachineView]],
    clock: Clock,
) -> RetentionWatch[MachineView]:
    logs_kept = (names.deliveries, *names.tiers)
    return RetentionWatch(
        KafkaSafeOffsets(settings.kafka, client_id=f"{CLIENT_ID}-retention", topics=logs_kept),
        instruments,
        topics=logs_kept,
        labels=("deliveries", *TIER_NAMES),
        owned=owned,
        endangered=endangered,
        clock=clock,
        log=logs.get("retention"),
    )


def _state_reader(settings: DelivererSettings, names: TopicNames) -> StateReader:
    return StateReader(
        lambda: kafka.consumer(
            settings.kafka, client_id=f"{CLIENT_ID}-state", fetch_bytes=STATE_FETCH_BYTES
        ),
        lambda: kafka.admin(settings.kafka, client_id=f"{CLIENT_ID}-state"),
        lanes_topic=names.lanes,
        deliveries_topic=names.deliveries,
        tier_topics=names.tiers,
        group=group_of(settings),
    )


def _tick_producer(settings: DelivererSettings, partition: int, clock: Clock) -> TickProducer:
    return TickProducer(
        settings.kafka,
        transactional_id=transactional_id(settings.topics.prefix, "deliverer", partition),
        client_id=f"{CLIENT_ID}-{partition}",
        clock=clock,
        transaction_s=TRANSACTION_S,
    )


def _ownership(
    settings: DelivererSettings,
    names: TopicNames,
    metrics: DelivererMetrics,
    *,
    make_actor: Callable[[int], PartitionWorker],
    closed: Closed,
) -> Ownership:
    ownership = Ownership(
        settings.kafka,
        topic=names.deliveries,
        group=group_of(settings),
        client_id=CLIENT_ID,
        make_actor=make_actor,
        log=logs.get("ownership"),
        drain_s=settings.deliverer.drain_s,
        hooks=metrics.ownership,
    )
    metrics.ownership.watch(assigned=ownership.assigned, running=ownership.running, closed=closed)
    return ownership


def _admin(
    settings: DelivererSettings,
    instruments: CollectorRegistry,
    table: Table[RegistryEntry],
    membership: Membership,
) -> AdminServer:
    def is_registry_fresh() -> bool | str:
        if not table.is_caught_up:
            return "the registry is still being read"
        is_fresh = table.lag_s() < READY_LAG_S
        return is_fresh or "the registry was not read for a while"

    checks = {
        **membership.ownership.checks(),
        "partitions": lambda: membership.are_running(settings.topics.partitions),
        "registry": is_registry_fresh,
    }
    return AdminServer(settings.admin, checks=checks, registry=instruments)


def _gate(
    settings: DelivererSettings, clock: Clock, instruments: CollectorRegistry
) -> Preconditions:
    return Preconditions(
        settings.kafka,
        _plans(settings),
        client_id=f"{CLIENT_ID}-start",
        log=logs.get(NAME),
        clock=clock,
        instruments=instruments,
    )


def _plans(settings: DelivererSettings) -> list[TopicPlan]:
    topics = settings.topics
    every = plan(topics.prefix, topics.partitions, topics.replication_factor)
    return [one for one in every if one.name != topic_name(topics.prefix, "events")]


main = command(DelivererSettings, build, name=NAME)
