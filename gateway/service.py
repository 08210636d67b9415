"""The composition root of the gateway: which parts there are, and who knows whom."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import uuid_utils
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from chassis import logs
from chassis.admin import AdminServer
from chassis.clock import Clock, SystemClock
from chassis.debug import Describe
from chassis.descriptors import raise_limit
from chassis.lifecycle import Component, command
from chassis.metrics import LoopLag, make_registry
from chassis.preconditions import Preconditions
from chassis.table import Table
from chassis.table_writer import TableWriter, system_jitter
from chassis.tracing import Tracing, make_tracing
from chassis.vault import Vault
from gateway.app import make_app
from gateway.appender import KafkaAppender
from gateway.connections import RESERVED, fit
from gateway.following import Followers
from gateway.ingest_rules import IngestFacts
from gateway.intake import Intake
from gateway.kafka_registry import (
    KafkaRegistry,
    KafkaRevocations,
    KafkaShelf,
    RegistryTopic,
)
from gateway.limits import EventLimits, Limits
from gateway.metrics import GatewayMetrics
from gateway.publish import BatchingPublisher
from gateway.quotas import Quota
from gateway.registry_reader import RegistryReader
from gateway.registry_rows import RegistryIndex, Row, decode_row
from gateway.seals import Seals
from gateway.sending import EventsTopic
from gateway.server import HttpServer
from gateway.settings import GatewaySettings, HttpSettings
from gateway.subscriptions import Rules
from gateway.tombstones import Schedule, Tombstones
from gateway.wiring import (
    Bounds,
    Ports,
    access_of,
    express_of,
    handlers_of,
    rules_of,
    write_limit_of,
)
from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord
from schemas.ids import IdPrefix, id_of
from schemas.subscribers import SubscriberRecord
from schemas.topics import TopicPlan, plan, topic_name, transactional_id

NAME: Final = "gateway"
_CLIENT_ID: Final = "hooklane-gateway"
_READY_LAG_S: Final = 30.0
_PRODUCER_START_S: Final = 5.0


def build(settings: GatewaySettings) -> Sequence[Component]:
    """Wire the gateway; the order is that of the start."""
    clock = SystemClock()
    log = logs.get(NAME)
    instruments = make_registry(NAME)
    metrics = GatewayMetrics(instruments)
    index, facts, vault = RegistryIndex(), IngestFacts(), Vault(settings.vault.key_ring())
    seals = Seals(vault.key_ids, logs.get("registry"))
    table, writer = _table(
        settings,
        clock,
        on_change=_follower(settings, index, facts, seals),
        on_broken=metrics.registry_broken.inc,
    )
    metrics.vault_closed.set_function(lambda: float(seals.closed))
    metrics.registry_records.set_function(lambda: float(table.records))
    metrics.registry_lag.set_function(table.lag_s)
    publisher = _publisher(settings, log)
    topic = RegistryTopic(table, writer, index=index, partitions=settings.topics.partitions)
    ports = Ports(
        registry=KafkaRegistry(topic, vault),
        subscribers=KafkaShelf(topic, "subscriber", SubscriberRecord, holder=None),
        event_types=KafkaShelf(topic, "event-type", EventTypeRecord, holder=EVENT_TYPES_SUBSCRIBER),
        keys=KafkaShelf(topic, "key", ApiKeyRecord, holder=KEYS_SUBSCRIBER),
        revocations=KafkaRevocations(topic, timeout_s=settings.registry.write_deadline_s),
        facts=facts,
        publisher=publisher,
        clock=clock,
        fresh_id=fresh_id,
        rules=Rules(settings.egress.policy(), os.urandom),
        limits=_limits(settings, metrics),
        tracing=_tracing(settings, instruments, log),
    )
    bounds = _bounds(settings, metrics)
    server = _server(settings, ports, bounds, metrics)
    gate = Preconditions(
        settings.kafka,
        _plans(settings),
        client_id=_CLIENT_ID,
        log=log,
        clock=clock,
        instruments=instruments,
    )
    admin = _admin(settings, instruments, table, publisher)
    admin.add_checks(gate.checks())
    admin.add_debug(_descriptions(bounds.intake, table, publisher, server))
    return [
        admin,
        LoopLag(instruments, clock=clock),
        *([ports.tracing] if ports.tracing else []),
        gate,
        RegistryReader(table, writer, partitions=settings.topics.partitions),
        _tombstones(settings, metrics, table, writer),
        publisher,
        server,
    ]


def fresh_id(prefix: IdPrefix) -> str:
    """Make an id that sorts by the time of its making."""
    return id_of(prefix, uuid_utils.uuid7().bytes)


def _tracing(
    settings: GatewaySettings, instruments: CollectorRegistry, log: FilteringBoundLogger
) -> Tracing | None:
    return make_tracing(settings.tracing, service=_CLIENT_ID, instruments=instruments, log=log)


def _publisher(settings: GatewaySettings, log: FilteringBoundLogger) -> BatchingPublisher:
    return BatchingPublisher(
        lambda: KafkaAppender(
            settings.kafka, client_id=_CLIENT_ID, start_timeout_s=_PRODUCER_START_S
        ),
        deadline_s=settings.gateway.produce_deadline_s,
        linger_s=settings.gateway.linger_s,
        log=log,
    )


def _follower(
    settings: GatewaySettings, index: RegistryIndex, facts: IngestFacts, seals: Seals
) -> Callable[[int, bytes, Row], None]:
    """Keep what is derived from the registry in step with it."""
    count, log = settings.topics.partitions, logs.get("registry")
    return Followers(index, facts, seals, partitions=count, log=log).follow


def _table(
    settings: GatewaySettings,
    clock: Clock,
    *,
    on_change: Callable[[int, bytes, Row], None],
    on_broken: Callable[[], object],
) -> tuple[Table[Row], TableWriter[Row]]:
    prefix = settings.topics.prefix
    table: Table[Row] = Table(
        settings.kafka,
        topic=topic_name(prefix, "registry"),
        decode=decode_row,
        client_id=_CLIENT_ID,
        log=logs.get("registry"),
        on_change=on_change,
        on_broken=on_broken,
        clock=clock,
    )
    writer = TableWriter(
        settings.kafka,
        table,
        transactional_id=lambda partition: transactional_id(prefix, "registry", partition),
        client_id=f"{_CLIENT_ID}-registry",
        clock=clock,
        deadline_s=settings.registry.write_deadline_s,
    )
    return table, writer


def _limits(settings: GatewaySettings, metrics: GatewayMetrics) -> Limits:
    bounds = settings.registry
    return Limits(
        bounds.keys_max,
        bounds.event_types_max,
        bounds.quota_buckets_max,
        Quota(bounds.key_writes_per_second, bounds.key_writes_burst),
        Quota(bounds.subscriber_writes_per_second, bounds.subscriber_writes_burst),
        on_hit=lambda name: metrics.limit_hits[name].inc(),
    )


def _tombstones(
    settings: GatewaySettings,
    metrics: GatewayMetrics,
    table: Table[Row],
    writer: TableWriter[Row],
) -> Tombstones:
    wanted = settings.registry
    return Tombstones(
        table,
        writer,
        partitions=settings.topics.partitions,
        schedule=Schedule(
            wanted.tombstone_after_s, wanted.tombstone_interval_s, wanted.tombstones_per_run
        ),
        clock=SystemClock(),
        log=logs.get("registry"),
        jitter=system_jitter,
        on_written=metrics.tombstones.inc,
        on_bound=metrics.limit_hits["tombstones"].inc,
    )


def _bounds(settings: GatewaySettings, metrics: GatewayMetrics) -> Bounds:
    http, topics = settings.gateway, settings.topics
    return Bounds(
        topic=EventsTopic(topic_name(topics.prefix, "events"), topics.partitions),
        limits=EventLimits(http.max_event_bytes, http.max_body_bytes, http.body_timeout_s),
        intake=Intake(
            http.max_requests,
            http.max_request_bytes_in_flight,
            on_full=lambda bound: metrics.limit_hits[bound].inc(),
        ),
    )


def _server(
    settings: GatewaySettings, ports: Ports, bounds: Bounds, metrics: GatewayMetrics
) -> HttpServer:
    """Lay out the API, with the short way of plain events beside it."""
    http = settings.gateway
    rules = rules_of(ports, metrics)
    access = access_of(ports, settings.auth.root_key.get_secret_value())
    app = make_app(
        handlers_of(ports, bounds, metrics, rules),
        access=access,
        write_limit=write_limit_of(ports),
        metrics=metrics,
        clock=ports.clock,
        log=logs.get(NAME),
        tracing=ports.tracing,
    )
    return HttpServer(
        app,
        host=http.host,
        port=http.port,
        keepalive_s=http.keepalive_s,
        connections_max=_connections_max(http),
        on_full=metrics.limit_hits["connections"].inc,
        express=express_of(ports, bounds, metrics, rules=rules, access=access, log=logs.get(NAME)),
    )


def _connections_max(http: HttpSettings) -> int:
    """Take as many files as the connections need; take fewer connections if there are too few."""
    limit = raise_limit(http.max_connections + RESERVED)
    connections_max = fit(limit, wanted=http.max_connections)
    if connections_max < http.max_connections:
        logs.get(NAME).warning(
            "descriptors.short",
            limit=limit,
            wanted_connections=http.max_connections,
            max_connections=connections_max,
        )
    return connections_max


def _descriptions(
    intake: Intake, table: Table[Row], publisher: BatchingPublisher, server: HttpServer
) -> Mapping[str, Describe]:
    """Say what `/debug` shows."""
    return {
        "intake": lambda _: {
            "connections": server.connections,
            "requests": intake.requests,
            "bytes_held": intake.bytes_held,
        },
        "producer": lambda _: {"is_connected": publisher.is_healthy},
        "registry": lambda _: {"is_caught_up": table.is_caught_up, "records": table.records},
    }


def _admin(
    settings: GatewaySettings,
    instruments: CollectorRegistry,
    table: Table[Row],
    publisher: BatchingPublisher,
) -> AdminServer:
    def is_registry_fresh() -> bool | str:
        if not table.is_caught_up:
            return "the registry is still being read"
        lag_s = table.lag_s()
        return lag_s < _READY_LAG_S or "the registry was not read for a while"

    def is_producer_healthy() -> bool | str:
        return publisher.is_healthy or "no connection to Kafka"

    checks = {"registry": is_registry_fresh, "producer": is_producer_healthy}
    return AdminServer(settings.admin, checks=checks, registry=instruments)


def _plans(settings: GatewaySettings) -> list[TopicPlan]:
    topics = settings.topics
    ours = {topic_name(topics.prefix, suffix) for suffix in ("events", "registry")}
    every = plan(topics.prefix, topics.partitions, topics.replication_factor)
    return [one for one in every if one.name in ours]


main = command(GatewaySettings, build, name=NAME)
