"""Two versions one minor apart work beside each other: what either writes, the other reads."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import jsonschema_rs
import msgspec
import orjson
import pytest

from chassis.egress import EgressPolicy
from chassis.kafka import Record
from deliverer.disabling import disabled
from deliverer.endpoints import decode_entry
from deliverer.policy.items import DeadLetter, Extent, Limits, Park, Parked
from deliverer.policy.machine import Machine, StateRefused
from deliverer.records import read_delivery, read_parked
from deliverer.state import CommittedState, decode_failures, decode_state, recovered
from gateway.event_types import EventTypeBody, put_event_type
from gateway.registry_rows import decode_row
from gateway.subscribers import SubscriberBody, put_subscriber
from gateway.subscriptions import Current, Rules, delete, patch
from schemas.attempt import AttemptRecord
from schemas.cloudevents import decode_event
from schemas.dead_letter import DeadLetterReason, decode_dead_letter
from schemas.event import Event, Violation
from schemas.json_schemas import generate
from schemas.lane_state import WINDOW_KEY
from schemas.outcome import Outcome
from schemas.quarantine import QuarantineRecord
from schemas.registry import SealedFields, decode_sealed, decode_subscription
from schemas.topics import TIERS
from tests.compat.freeze import Frozen, freeze, thaw
from tests.compat.writers import (
    NOW_MS,
    SUBSCRIPTION,
    VAULT,
    arrived,
    everything,
    planner_of,
    read_delivered,
    tick_of,
)

FROZEN = thaw()
RULES = Rules(EgressPolicy(), lambda count: b"0" * count)
LATER = {"later_field": {"of": ["a", "later", "minor"]}}
LATER_HEADER = ("x-later", b"1")
ENVELOPES = {"deliveries": "delivery", "retry.5s": "retry", "dead-letters": "dead_letter"}


def _id(frozen: Frozen) -> str:
    return f"{frozen.version}-{frozen.topic}-{(frozen.record.key or b'').decode()}"


def _of(topic: str) -> list[Frozen]:
    return [one for one in FROZEN if one.topic == topic]


each = pytest.mark.parametrize("frozen", FROZEN, ids=_id)


def _read(topic: str, record: Record) -> object:
    """Read a record by whoever reads its topic; a Violation or None is a reader that cannot."""
    if topic == "events":
        return decode_event(record.key, record.value, record.headers)
    if topic == "deliveries":
        return read_delivery(arrived(record))
    if topic.startswith("retry."):
        return read_parked(0, arrived(record))
    if topic == "dead-letters":
        return decode_dead_letter(record.headers)
    assert record.key is not None
    assert record.value is not None
    if topic == "registry":
        return decode_row(record.key, record.value)
    if topic == "attempts":
        return msgspec.json.decode(record.value, type=AttemptRecord)
    if topic == "quarantine":
        return msgspec.json.decode(record.value, type=QuarantineRecord)
    window, lanes = decode_state({record.key: record.value})
    return window or lanes or decode_failures({record.key: record.value})


def _later(topic: str, record: Record) -> Record:
    """Write a record as a later minor might: one more header, one more field."""
    headers, value = [*record.headers, LATER_HEADER], record.value
    name = ENVELOPES.get(topic)
    if name is not None:
        headers = [(n, _with_later(v) if n == name else v) for n, v in headers]
    elif topic != "events":
        assert value is not None
        value = _with_later(value)
    return Record(record.topic, record.partition, record.key, value, headers)


def _with_later(document: bytes) -> bytes:
    return orjson.dumps(orjson.loads(document) | LATER)


def _json(record: Record) -> Mapping[str, object]:
    """Give all of a record that is JSON, by where it stands."""
    found: dict[str, object] = {}
    for name, text in (*record.headers, ("value", record.value or b"null")):
        try:
            found[name] = orjson.loads(text)
        except orjson.JSONDecodeError:
            found[name] = text
    return found


@each
def test_what_the_version_before_wrote_is_read(frozen: Frozen) -> None:
    """Every record of every topic, by the reader of that topic."""
    found = _read(frozen.topic, frozen.record)

    assert found is not None
    assert not isinstance(found, Violation)
    assert found != {}


@each
def test_what_a_later_minor_adds_disturbs_no_reader(frozen: Frozen) -> None:
    """A field and a header more are passed over: all that was known reads as before."""
    found = _read(frozen.topic, _later(frozen.topic, frozen.record))
    known = _read(frozen.topic, frozen.record)

    if isinstance(found, Parked) and isinstance(known, Parked):
        assert (found.delivery.lane, found.attempt) == (known.delivery.lane, known.attempt)
    elif frozen.topic in {"deliveries", "registry"}:
        assert type(found) is type(known)
    else:
        assert found == known


@pytest.mark.parametrize("version", sorted({one.version for one in FROZEN}))
def test_todays_writers_write_what_those_readers_expect(version: str) -> None:
    """The same input gives the same records; there may be more in them, never less or other."""
    today = everything()

    for topic in today:
        frozen = [one.record for one in _of(topic) if one.version == version]
        assert len(frozen) == len(today[topic]), topic
        for old, new in zip(frozen, today[topic], strict=True):
            assert old.key == new.key
            _expect(_json(old), _json(new), place=topic)


def _expect(old: object, new: object, *, place: str) -> None:
    if isinstance(old, dict):
        assert isinstance(new, dict), place
        for name, value in old.items():
            assert name in new, f"{place}: {name} is no longer written"
            if name != "sealed":  # sealed anew each time; opened below
                _expect(value, new[name], place=f"{place}.{name}")
        return
    assert new == old, place


@pytest.mark.parametrize("frozen", [f for f in FROZEN if f.topic in ENVELOPES], ids=_id)
def test_a_frozen_envelope_keeps_its_published_schema(frozen: Frozen) -> None:
    """A field that was required, or its type, cannot change without a new major version."""
    name = ENVELOPES[frozen.topic]
    document = orjson.loads(dict(frozen.record.headers)[name])

    assert jsonschema_rs.validator_for(orjson.loads(generate()[name])).is_valid(document)


@pytest.mark.parametrize(
    "frozen", [f for f in _of("registry") if b"/subscription/" in (f.record.key or b"")], ids=_id
)
def test_what_the_version_before_sealed_is_opened(frozen: Frozen) -> None:
    """The same key opens it, bound to the same record key."""
    assert frozen.record.key is not None
    record = decode_subscription(frozen.record.value or b"")
    assert not isinstance(record, Violation)

    sealed = decode_sealed(VAULT.open(base64.b64decode(record.sealed), aad=frozen.record.key))

    assert isinstance(sealed, SealedFields)
    assert sealed.url == "https://hooks.example.com/in"
    assert sealed.headers == {"X-Shop": "acme"}


def test_a_delivery_of_a_later_minor_goes_through_retry_and_dead_letter_whole() -> None:
    """Its headers and its envelope are copied, not written anew from what is known."""
    for frozen in _of("deliveries"):
        later = _later("deliveries", frozen.record)
        delivery = read_delivered(later)
        park = Park(delivery, 0, 2, NOW_MS + 5_000, NOW_MS, Outcome.TIMEOUT, None, NOW_MS)
        reason = DeadLetterReason.EXPIRED
        letter = DeadLetter(delivery, reason, 1, NOW_MS, NOW_MS, Outcome.TIMEOUT, None, b"")

        parked, dead, *_ = tick_of(park, letter)

        assert LATER_HEADER in parked.headers
        assert dict(parked.headers)["delivery"] == dict(later.headers)["delivery"]
        assert LATER_HEADER in dead.headers
        assert (parked.value, dead.value) == (later.value, later.value)


def test_an_event_of_a_later_minor_is_fanned_out_with_its_attributes() -> None:
    """Every `ce_` header reaches the delivery, also one that this version has no name for."""
    subscription = _later("registry", _of("registry")[0].record)

    for frozen in _of("events"):
        record = frozen.record
        later = Record(
            record.topic,
            record.partition,
            record.key,
            record.value,
            [*record.headers, ("ce_later", b"1"), ("hooklane_later", b"1")],
        )
        event = decode_event(later.key, later.value, later.headers)

        (delivery,) = planner_of(subscription).plan(arrived(later), registry_offset=17).records

        assert isinstance(event, Event)
        assert event.extensions["later"] == "1"
        assert ("ce_later", b"1") in delivery.headers


def _raw(at: int) -> dict[str, object]:
    raw: dict[str, object] = orjson.loads(_with_later(_of("registry")[at].record.value or b""))
    return raw


def _current() -> Current:
    raw = _raw(0)
    record = decode_subscription(orjson.dumps(raw))
    assert not isinstance(record, Violation)
    sealed = SealedFields(url="https://hooks.example.com/in", secret="whsec_" + "A" * 32)
    return Current(record, raw, sealed, NOW_MS)


def _disabled() -> object:
    frozen = _of("registry")[0].record
    entry = decode_entry(frozen.key or b"", _with_later(frozen.value or b""))
    return orjson.loads(disabled(entry, reason="gone", now_ms=NOW_MS) or b"null")


def _patched() -> object:
    change = patch(_current(), {"description": "new"}, RULES, now_ms=NOW_MS)
    return change.record  # type: ignore[union-attr]  # a problem would have no record: it fails


REWRITES: Mapping[str, Callable[[], object]] = {
    "a patch": _patched,
    "a deletion": lambda: delete(_current(), now_ms=NOW_MS).record,
    "a disabling": _disabled,
    "a subscriber": lambda: put_subscriber(
        SubscriberBody(name="n"), subscriber="acme", current=_raw(2), version=2, now_ms=NOW_MS
    ),
    "an event type": lambda: put_event_type(
        EventTypeBody(), name="order.paid", current=_raw(3), version=2, now_ms=NOW_MS
    ),
}


@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
def test_a_registry_record_of_a_later_minor_keeps_its_fields(rewrite: Callable[[], object]) -> None:
    """Whoever changes a record edits it; what is not known stays."""
    written = rewrite()

    assert isinstance(written, dict)
    assert written["later_field"] == LATER["later_field"]


def test_kinds_and_state_of_a_later_minor_are_passed_over() -> None:
    """A registry record of an unknown kind, and a record of `lanes` with an unknown name."""
    state = {one.record.key or b"": one.record.value for one in _of("lanes")}

    known = decode_state(state)

    assert decode_row(b"acme/later/1", b"{}") is None
    assert decode_state({**state, b"$later": b"{}"}) == known
    assert decode_failures({**state, b"$later": b"{}"}).keys() == {SUBSCRIPTION}
    assert known[0] is not None
    assert WINDOW_KEY in state


def test_a_value_that_is_not_known_is_set_aside_not_guessed() -> None:
    """A delivery goes to the quarantine, of a subscription the last readable version stays."""
    delivery = _of("deliveries")[0].record
    envelope = orjson.loads(dict(delivery.headers)["delivery"]) | {"kind": "later"}
    strange = msgspec.structs.replace(delivery, headers=[("delivery", orjson.dumps(envelope))])
    subscription = _of("registry")[0].record
    status = orjson.dumps(orjson.loads(subscription.value or b"") | {"status": "later"})

    assert isinstance(_read("deliveries", strange), Violation)
    with pytest.raises(ValueError, match="cannot be read"):
        decode_row(subscription.key or b"", status)
    with pytest.raises(ValueError, match="cannot be read"):
        decode_entry(subscription.key or b"", status)


def test_a_partition_that_used_a_later_delay_topic_is_not_taken_over() -> None:
    """What waits there would be lost."""
    (value,) = [one.record.value for one in _of("lanes") if one.record.key == WINDOW_KEY]
    window = orjson.loads(value or b"")
    window["tiers"].append(window["tiers"][-1])
    extents = [Extent(0, 100)] * (1 + len(TIERS))
    found, lanes = decode_state({WINDOW_KEY: orjson.dumps(window)})
    state = CommittedState(
        window=found,
        lanes=lanes,
        deliveries=extents[0],
        tiers=tuple(extents[1:]),
        has_group_offset=True,
    )

    with pytest.raises(StateRefused, match="delay topics"):
        Machine(
            partition_state=recovered(state),
            subscriptions=NoSubscriptions(),
            limits=Limits(),
            tiers=tuple(tier.delay_ms for tier in TIERS),
            jitter=lambda: 0.0,
        )


class NoSubscriptions:
    """A registry that holds nothing."""

    def policy(self, _subscription: str) -> None:
        """Know none."""


def test_every_topic_is_frozen_and_no_version_twice(tmp_path: Path) -> None:
    """What is not there cannot be tested; what clusters hold does not change."""
    for version in {one.version for one in FROZEN}:
        assert {one.topic for one in FROZEN if one.version == version} == set(everything())
    freeze("9.9", tmp_path)

    assert [one.topic for one in thaw(tmp_path)]
    with pytest.raises(FileExistsError):
        freeze("9.9", tmp_path)
