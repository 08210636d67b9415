"""What an admitted event must still pass: tenancy, the schema of its type, quotas. Pure.

The facts follow the registry's changes, so that an event costs one look per rule.
"""

from collections.abc import Callable

import msgspec

from gateway.auth import Principal
from gateway.limits import exhausted
from gateway.problems import Code, FieldError, Problem
from gateway.quotas import Demand, Quota, Quotas, quota_of
from gateway.registry_rows import Row
from schemas.event import Event
from schemas.event_types import EventTypeCatalogue, EventTypeRecord
from schemas.registry import parse_registry_key
from schemas.schema_survey import SchemaError
from schemas.subscribers import SubscriberRecord

UNKNOWN_SUBSCRIBER = Problem(Code.NOT_FOUND, "there is no such subscriber")


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event to write, and what its schema only warns of."""

    event: Event
    warnings: tuple[FieldError, ...] = ()


class IngestFacts:
    """The schemas and the quotas of subscribers, as the registry has them now."""

    def __init__(self) -> None:
        self.catalogue = EventTypeCatalogue()
        self._quotas: dict[str, Quota] = {}

    def note(self, key: bytes, row: Row) -> list[SchemaError]:
        """Follow one change of the registry; gives why a schema cannot be used."""
        parts = parse_registry_key(key)
        if parts is None or parts.kind == "subscription":
            return []  # by far the most, and nothing of them is needed here
        record = None if row is None or row.deleted else row.record
        if parts.kind == "event-type":
            known = record if isinstance(record, EventTypeRecord) else None
            return self.catalogue.change(parts.id, known)
        if parts.kind == "subscriber":
            quota = record.quota if isinstance(record, SubscriberRecord) else None
            if quota is None:
                self._quotas.pop(parts.subscriber, None)
            else:
                self._quotas[parts.subscriber] = quota_of(quota.events_per_second, quota.burst)
        return []

    def quota_of(self, subscriber: str) -> Quota | None:
        """Give the quota of a subscriber; most have none."""
        return self._quotas.get(subscriber)


class IngestRules:
    """The rules, with the buckets of this process.

    `on_violation` counts what a schema refuses. What passes with warnings fan-out counts, which
    sees it too, and what came by Kafka.
    """

    def __init__(
        self, facts: IngestFacts, quotas: Quotas, *, on_violation: Callable[[], None]
    ) -> None:
        self._facts = facts
        self._quotas = quotas
        self._on_violation = on_violation

    def judge(self, event: Event, principal: Principal, now_s: float) -> Accepted | Problem:
        """Let an event pass, or say which rule it breaks; only what passes costs a token."""
        if not principal.sees(event.subscriber):
            return UNKNOWN_SUBSCRIBER
        warnings: tuple[FieldError, ...] = ()
        if violations := self._facts.catalogue.violations(event):
            warnings = tuple(FieldError("/data" + one.pointer, one.detail) for one in violations)
            if violations[0].mode == "enforce":
                self._on_violation()
                detail = "the data breaks the schema of its type"
                return Problem(Code.SCHEMA_VIOLATION, detail, warnings)
        return self.spend(event.subscriber, principal, now_s) or Accepted(event, warnings)

    def lets_pass(self, event: Event, principal: Principal, now_s: float) -> bool:
        """Take a token if no rule has anything to say of an event; else count and take nothing."""
        return (
            principal.sees(event.subscriber)
            and not self._facts.catalogue.violations(event)
            and self.spend(event.subscriber, principal, now_s) is None
        )

    def spend(self, subscriber: str, principal: Principal, now_s: float) -> Problem | None:
        """Take one event's worth of the quotas, or say when there is one again."""
        demands = self._demands(subscriber, principal)
        if not demands:
            return None
        wait_s = self._quotas.take(demands, now_s)
        return exhausted("more events than the quota allows", wait_s) if wait_s > 0 else None

    def headers(self, subscriber: str, principal: Principal, now_s: float) -> dict[str, str]:
        """Tell what is left of the quotas; nothing where there are none."""
        return self._quotas.headers(self._demands(subscriber, principal), now_s)

    def _demands(self, subscriber: str, principal: Principal) -> list[Demand]:
        demands = []
        if principal.quota is not None and principal.key_id is not None:
            demands.append(Demand("key", principal.key_id, principal.quota))
        quota = self._facts.quota_of(subscriber)
        if quota is not None:
            demands.append(Demand("subscriber", subscriber, quota))
        return demands
