"""Who handles which operation, over any ports: the service gives real ones, tests give fakes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.tracing import Tracing
from gateway.access import Access, Revocations
from gateway.app import Handler
from gateway.auth import Keyring
from gateway.express import Express
from gateway.handlers.documents import DocumentHandlers
from gateway.handlers.event_types import EventTypeHandlers
from gateway.handlers.events import EventHandlers
from gateway.handlers.keys import KeyHandlers
from gateway.handlers.subscribers import SubscriberHandlers
from gateway.handlers.subscriptions import SubscriptionHandlers
from gateway.handlers.trials import TrialHandlers
from gateway.ingest_rules import IngestFacts, IngestRules
from gateway.intake import Intake
from gateway.limits import EventLimits, Limits
from gateway.metrics import GatewayMetrics
from gateway.publish import Publisher
from gateway.quotas import Quotas
from gateway.reading import BodyReader
from gateway.registry import Registry, Shelf
from gateway.sending import EventsTopic, Sending
from gateway.subscriptions import Rules
from gateway.write_limit import WriteLimit
from schemas.api_keys import ApiKeyRecord
from schemas.event_types import EventTypeRecord
from schemas.ids import IdPrefix
from schemas.subscribers import SubscriberRecord


@dataclass(frozen=True, slots=True)
class Ports:
    """What lies behind the API, and the sources of time, ids and randomness."""

    registry: Registry
    subscribers: Shelf[SubscriberRecord]
    event_types: Shelf[EventTypeRecord]
    keys: Shelf[ApiKeyRecord]
    revocations: Revocations
    facts: IngestFacts
    publisher: Publisher
    clock: Clock
    fresh_id: Callable[[IdPrefix], str]
    rules: Rules
    limits: Limits = field(default_factory=Limits)
    tracing: Tracing | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the API lets in."""

    topic: EventsTopic
    limits: EventLimits
    intake: Intake


def access_of(ports: Ports, root_key: str) -> Access:
    """Make the door."""
    return Access(Keyring(root_key, ports.keys), ports.keys, ports.revocations)


def write_limit_of(ports: Ports) -> WriteLimit:
    """Make what holds back those who change too much too quickly.

    Its buckets are its own: names that nobody sends events for must not push quotas out.
    """
    return WriteLimit(_quotas(ports), ports.limits)


def rules_of(ports: Ports, metrics: GatewayMetrics) -> IngestRules:
    """Make the rules, which all ways into the log share, for they hold the quotas."""
    return IngestRules(ports.facts, _quotas(ports), on_violation=metrics.schema_violations.inc)


def express_of(
    ports: Ports,
    bounds: Bounds,
    metrics: GatewayMetrics,
    *,
    rules: IngestRules,
    access: Access,
    log: FilteringBoundLogger,
) -> Express | None:
    """Make the short way of plain events; under tracing there is none, as it makes no spans."""
    if ports.tracing is not None:
        return None
    return Express(
        access=access,
        rules=rules,
        intake=bounds.intake,
        sending=Sending(ports.publisher, bounds.topic),
        metrics=metrics,
        clock=ports.clock,
        fresh_event_id=lambda: ports.fresh_id("evt"),
        limits=bounds.limits,
        log=log,
    )


def handlers_of(
    ports: Ports, bounds: Bounds, metrics: GatewayMetrics, rules: IngestRules
) -> Mapping[str, Handler]:
    """Make every handler, by the operation of the route table that it serves."""
    bodies = BodyReader(bounds.intake, timeout_s=bounds.limits.body_timeout_s)
    sending = Sending(ports.publisher, bounds.topic, tracing=ports.tracing)
    return {
        **_ingest(ports, bounds, rules, sending=sending, metrics=metrics),
        **_subscriptions(ports, bodies),
        **_trials(ports, sending, rules, bodies),
        **_subscribers(ports, bodies),
        **_event_types(ports, bodies),
        **_keys(ports, bodies),
        **_documents(),
    }


def _quotas(ports: Ports) -> Quotas:
    limits = ports.limits
    return Quotas(limits.quota_buckets_max, on_full=lambda: limits.on_hit("quota_buckets"))


def _ingest(
    ports: Ports,
    bounds: Bounds,
    rules: IngestRules,
    *,
    sending: Sending,
    metrics: GatewayMetrics,
) -> dict[str, Handler]:
    events = EventHandlers(
        sending=sending,
        limits=bounds.limits,
        intake=bounds.intake,
        rules=rules,
        metrics=metrics,
        clock=ports.clock,
        fresh_event_id=lambda: ports.fresh_id("evt"),
    )
    return {"sendEvent": events.post_event, "sendEvents": events.post_batch}


def _subscriptions(ports: Ports, bodies: BodyReader) -> dict[str, Handler]:
    handlers = SubscriptionHandlers(
        registry=ports.registry,
        rules=ports.rules,
        clock=ports.clock,
        fresh_id=lambda: ports.fresh_id("sub"),
        bodies=bodies,
        subscribers=ports.subscribers,
        limits=ports.limits,
    )
    return {
        "createSubscription": handlers.create,
        "listSubscriptions": handlers.list,
        "getSubscription": handlers.show,
        "patchSubscription": handlers.patch,
        "deleteSubscription": handlers.delete,
        "getSecret": handlers.secret,
        "rotateSecret": handlers.rotate_secret,
    }


def _trials(
    ports: Ports, sending: Sending, rules: IngestRules, bodies: BodyReader
) -> dict[str, Handler]:
    handlers = TrialHandlers(
        registry=ports.registry,
        sending=sending,
        rules=rules,
        bodies=bodies,
        clock=ports.clock,
        fresh_event_id=lambda: ports.fresh_id("evt"),
    )
    return {"testSubscription": handlers.send_test, "testFilter": handlers.test_filter}


def _subscribers(ports: Ports, bodies: BodyReader) -> dict[str, Handler]:
    handlers = SubscriberHandlers(
        registry=ports.registry,
        subscribers=ports.subscribers,
        bodies=bodies,
        clock=ports.clock,
    )
    return {
        "listSubscribers": handlers.list,
        "getSubscriber": handlers.show,
        "putSubscriber": handlers.put,
        "deleteSubscriber": handlers.delete,
    }


def _event_types(ports: Ports, bodies: BodyReader) -> dict[str, Handler]:
    handlers = EventTypeHandlers(
        event_types=ports.event_types, bodies=bodies, clock=ports.clock, limits=ports.limits
    )
    return {
        "listEventTypes": handlers.list,
        "getEventType": handlers.show,
        "putEventType": handlers.put,
        "deleteEventType": handlers.delete,
    }


def _keys(ports: Ports, bodies: BodyReader) -> dict[str, Handler]:
    handlers = KeyHandlers(
        keys=ports.keys,
        bodies=bodies,
        clock=ports.clock,
        fresh_id=lambda: ports.fresh_id("key"),
        random_bytes=ports.rules.random_bytes,
        limits=ports.limits,
    )
    return {
        "createKey": handlers.create,
        "listKeys": handlers.list,
        "revokeKey": handlers.revoke,
    }


def _documents() -> dict[str, Handler]:
    handlers = DocumentHandlers()
    return {"getOpenApi": handlers.openapi, "getDocs": handlers.page}
