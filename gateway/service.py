"""The composition root of the gateway: which parts there are, and who knows whom."""

import os
from collections.abc import Sequence
from typing import Final

import uuid_utils
from prometheus_client import CollectorRegistry

from chassis import logs
from chassis.admin import AdminServer
from chassis.clock import Clock, SystemClock
from chassis.lifecycle import Component, command
from chassis.metrics import LoopLag, make_registry
from chassis.preconditions import Preconditions
from chassis.table import Table
from chassis.table_writer import TableWriter
from chassis.vault import Vault
from gateway.app import make_app
from gateway.appender import KafkaAppender
from gateway.auth import Keyring
from gateway.handlers.events import EventHandlers, EventLimits, EventsTopic
from gateway.handlers.subscriptions import SubscriptionHandlers
from gateway.intake import Intake
from gateway.kafka_registry import KafkaRegistry, Row, SubscriptionIndex, decode_row
from gateway.metrics import GatewayMetrics
from gateway.publish import BatchingPublisher, Publisher
from gateway.registry_reader import RegistryReader
from gateway.server import HttpServer
from gateway.settings import GatewaySettings
from gateway.subscriptions import Rules
from schemas.ids import IdPrefix, id_of
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
    table, writer, registry = _registry(settings, clock)
    metrics.registry_records.set_function(lambda: float(table.records))
    metrics.registry_lag.set_function(table.seconds_since_fetch)
    publisher = BatchingPublisher(
        lambda: KafkaAppender(
            settings.kafka, client_id=_CLIENT_ID, start_timeout_s=_PRODUCER_START_S
        ),
        deadline_s=settings.gateway.produce_deadline_s,
        log=log,
    )
    http = settings.gateway
    intake = Intake(http.max_requests, http.max_request_bytes_in_flight)
    app = make_app(
        events=_events(settings, publisher, intake=intake, metrics=metrics, clock=clock),
        subscriptions=_subscriptions(settings, registry, intake=intake, clock=clock),
        keyring=Keyring(settings.auth.root_key.get_secret_value()),
        metrics=metrics,
        clock=clock,
        log=log,
    )
    return [
        _admin(settings, instruments, table, publisher),
        LoopLag(instruments, clock=clock),
        Preconditions(settings.kafka, _plans(settings), client_id=_CLIENT_ID, log=log),
        RegistryReader(table, writer, partitions=settings.topics.partitions),
        publisher,
        HttpServer(app, host=http.host, port=http.port, keepalive_s=http.keepalive_s),
    ]


def fresh_id(prefix: IdPrefix) -> str:
    """Make an id that sorts by the time of its making."""
    return id_of(prefix, uuid_utils.uuid7().bytes)


def _registry(
    settings: GatewaySettings, clock: Clock
) -> tuple[Table[Row], TableWriter[Row], KafkaRegistry]:
    prefix, partitions = settings.topics.prefix, settings.topics.partitions
    index = SubscriptionIndex()
    table: Table[Row] = Table(
        settings.kafka,
        topic=topic_name(prefix, "registry"),
        decode=decode_row,
        client_id=_CLIENT_ID,
        log=logs.get("registry"),
        on_change=lambda _partition, key, row: index.note(key, row.record if row else None),
        clock=clock,
    )
    writer = TableWriter(
        settings.kafka,
        table,
        transactional_id=lambda partition: transactional_id(prefix, "registry", partition),
        client_id=f"{_CLIENT_ID}-registry",
        clock=clock,
    )
    vault = Vault(settings.vault.key_ring())
    registry = KafkaRegistry(table, writer, index=index, vault=vault, partitions=partitions)
    return table, writer, registry


def _events(
    settings: GatewaySettings,
    publisher: Publisher,
    *,
    intake: Intake,
    metrics: GatewayMetrics,
    clock: Clock,
) -> EventHandlers:
    http = settings.gateway
    return EventHandlers(
        publisher=publisher,
        topic=EventsTopic(topic_name(settings.topics.prefix, "events"), settings.topics.partitions),
        limits=EventLimits(http.max_event_bytes, http.max_body_bytes, http.body_timeout_s),
        intake=intake,
        metrics=metrics,
        clock=clock,
        fresh_event_id=lambda: fresh_id("evt"),
    )


def _subscriptions(
    settings: GatewaySettings, registry: KafkaRegistry, *, intake: Intake, clock: Clock
) -> SubscriptionHandlers:
    return SubscriptionHandlers(
        registry=registry,
        rules=Rules(settings.egress.policy(), os.urandom),
        clock=clock,
        fresh_id=lambda: fresh_id("sub"),
        intake=intake,
        body_timeout_s=settings.gateway.body_timeout_s,
    )


def _admin(
    settings: GatewaySettings,
    instruments: CollectorRegistry,
    table: Table[Row],
    publisher: BatchingPublisher,
) -> AdminServer:
    def is_registry_fresh() -> bool | str:
        if not table.is_caught_up:
            return "the registry is still being read"
        lag_s = table.seconds_since_fetch()
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
