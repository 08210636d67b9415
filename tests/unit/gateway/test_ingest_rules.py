"""Tenancy, schemas and quotas of events."""

from typing import Any

import msgspec
import pytest

from gateway.auth import ROOT, Principal
from gateway.ingest_rules import Accepted, IngestFacts, IngestRules
from gateway.problems import Code, Problem
from gateway.quotas import Quota, Quotas
from gateway.registry import AnyRecord
from gateway.registry_rows import decode_row
from schemas.event import Event
from schemas.event_types import EventTypeRecord, Validation
from schemas.subscribers import SubscriberQuota, SubscriberRecord, subscriber_key
from tests.registry_keys import event_type_key

NOW = "2026-01-01T00:00:00.000Z"
TIMES: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}
EVENT = Event(
    subscriber="acme",
    id="1",
    source="/s",
    type="order.paid",
    datacontenttype="application/json",
    data=b'{"secret-name":{"n":1}}',
)
SCHEMA: dict[str, object] = {"type": "object", "required": ["amount"]}


class World:
    """The rules over facts that a test writes."""

    def __init__(self) -> None:
        self.facts = IngestFacts()
        self.refused = 0
        self.rules = IngestRules(self.facts, Quotas(64), on_violation=self.count)

    def count(self) -> None:
        """Stand for the counter."""
        self.refused += 1

    def note(self, key: bytes, record: AnyRecord | None) -> None:
        """Change the registry."""
        row = None if record is None else decode_row(key, msgspec.json.encode(record))
        assert self.facts.note(key, row) == []

    def put_type(self, validation: Validation, *, deleted: bool = False) -> None:
        """Write the type of the event."""
        record = EventTypeRecord(
            name="order.paid",
            version=1,
            schema=SCHEMA,
            validation=validation,
            deleted=deleted,
            **TIMES,
        )
        self.note(event_type_key("order.paid"), record)

    def put_quota(self, quota: SubscriberQuota | None, *, deleted: bool = False) -> None:
        """Write the subscriber of the event."""
        record = SubscriberRecord(
            subscriber="acme", version=1, quota=quota, deleted=deleted, **TIMES
        )
        self.note(subscriber_key("acme"), record)

    def judge(self, principal: Principal = ROOT, now_s: float = 0.0) -> Accepted | Problem:
        """Judge the event."""
        return self.rules.judge(EVENT, principal, now_s)


@pytest.fixture
def world() -> World:
    """Make one without facts."""
    return World()


def test_without_facts_every_event_passes(world: World) -> None:
    """And there is nothing to tell about quotas."""
    assert world.judge() == Accepted(EVENT)
    assert world.rules.headers("acme", ROOT, 0.0) == {}


def test_a_bound_key_sends_for_its_own_subscriber_only(world: World) -> None:
    """Others do not exist for it."""
    own = Principal(key_id="key_1", subscriber="acme")
    foreign = Principal(key_id="key_1", subscriber="globex")

    assert isinstance(world.judge(own), Accepted)
    problem = world.judge(foreign)
    assert isinstance(problem, Problem)
    assert problem.code is Code.NOT_FOUND


@pytest.mark.parametrize("validation", ["off", "warn", "enforce"])
def test_a_schema_counts_as_its_mode_says(world: World, validation: Validation) -> None:
    """Only what it refuses is counted here; what it says never quotes the data."""
    world.put_type(validation)

    verdict = world.judge()

    if validation == "enforce":
        assert isinstance(verdict, Problem)
        assert verdict.code is Code.SCHEMA_VIOLATION
        errors = verdict.errors
    else:
        assert isinstance(verdict, Accepted)
        errors = verdict.warnings
    assert [error.pointer for error in errors] == ([] if validation == "off" else ["/data"])
    assert "secret-name" not in repr(errors)
    assert world.refused == (1 if validation == "enforce" else 0)


def test_a_deleted_type_counts_no_more(world: World) -> None:
    """Neither does a tombstone."""
    world.put_type("enforce")
    world.put_type("enforce", deleted=True)
    assert world.judge() == Accepted(EVENT)

    world.put_type("enforce")
    world.note(event_type_key("order.paid"), None)
    assert world.judge() == Accepted(EVENT)


def test_a_schema_that_does_not_compile_is_told(world: World) -> None:
    """Some other process wrote it."""
    record = EventTypeRecord(name="t", version=1, schema={"type": 5}, validation="enforce", **TIMES)

    assert world.facts.note(
        event_type_key("t"), decode_row(event_type_key("t"), msgspec.json.encode(record))
    )


def test_quotas_of_key_and_subscriber_both_hold(world: World) -> None:
    """The smaller one ends it; a minute later there is room again."""
    principal = Principal(key_id="key_1", quota=Quota(1.0, 3))
    world.put_quota(SubscriberQuota(events_per_second=0.1, burst=2))

    verdicts = [world.judge(principal) for _ in range(3)]

    assert [type(one) for one in verdicts] == [Accepted, Accepted, Problem]
    refused = verdicts[-1]
    assert isinstance(refused, Problem)
    assert (refused.code, refused.retry_after_s) == (Code.QUOTA_EXCEEDED, 10)
    assert world.rules.headers("acme", principal, 0.0) == {
        "RateLimit-Policy": '"key";q=3;w=3, "subscriber";q=2;w=20',
        "RateLimit": '"key";r=1;t=2, "subscriber";r=0;t=20',
    }
    assert isinstance(world.judge(principal, 60.0), Accepted)


@pytest.mark.parametrize("way", ["null", "deleted", "tombstone"])
def test_a_quota_that_was_taken_away_holds_no_more(world: World, way: str) -> None:
    """Whatever took it away."""
    world.put_quota(SubscriberQuota(events_per_second=0.1, burst=1))
    world.judge()
    assert isinstance(world.judge(), Problem)

    if way == "tombstone":
        world.note(subscriber_key("acme"), None)
    else:
        world.put_quota(None, deleted=way == "deleted")

    assert world.judge() == Accepted(EVENT)


def test_what_is_refused_costs_nothing(world: World) -> None:
    """A client that repeats a bad event does not use its quota up."""
    world.put_type("enforce")
    world.put_quota(SubscriberQuota(events_per_second=0.1, burst=1))
    for _ in range(5):
        world.judge()
    world.put_type("off")

    assert isinstance(world.judge(), Accepted)
