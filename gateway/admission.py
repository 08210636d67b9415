"""What may become an event: each accepted form of a body, judged and turned into one `Event`. Pure.

Four forms: our native JSON shape, and the CloudEvents HTTP binding in structured, binary and batch
mode. All of them end in the checks that the Kafka side runs (`schemas.event.check_event`), so an
event that was admitted here is never quarantined for its form. The bytes of `data` stay what the
client sent; only envelopes are read.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway.documents import JsonObject, JsonRefused, JsonValue, check_json, parse_object
from gateway.native import NATIVE_FIELDS, NativeEvent, is_sound, read_plain
from gateway.problems import Code, FieldError, Problem, invalid, pointer_of
from schemas.cloudevents import (
    TRACE_NAMES,
    decode_document,
    is_json_type,
    trace_value,
)
from schemas.event import (
    DATA_BYTES_MAX,
    ID_CHARS_MAX,
    ORDERING_KEY_CHARS_MAX,
    SOURCE_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    TYPE_CHARS_MAX,
    Event,
    Violation,
    check_event,
    check_subscriber,
    has_forbidden_characters,
    is_ordinary,
)
from schemas.http_binding import event_from_http
from schemas.ids import idempotent_event_id
from schemas.quarantine import QuarantineReason
from schemas.rfc3339 import parse_ms

DEFAULT_SOURCE: Final = "/hooklane"
FUTURE_MS_MAX: Final = 24 * 3600 * 1000
IDEMPOTENCY_KEY_CHARS_MAX: Final = 256

_TEXT_FIELDS: Final = ("subscriber", "type", "id", "source", "time", "subject", "ordering_key")
_REQUIRED_FIELDS: Final = ("subscriber", "type")
_NO_DATA: Final = frozenset({b"", b"null"})
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_VISIBLE_LENGTHS: Final = {
    "type": TYPE_CHARS_MAX,
    "id": ID_CHARS_MAX,
    "source": SOURCE_CHARS_MAX,
}
_LENGTHS: Final = {"subject": SUBJECT_CHARS_MAX, "ordering_key": ORDERING_KEY_CHARS_MAX}
_REPEATED_ATTRIBUTE: Final = Problem(Code.INVALID_REQUEST, "a ce- header occurs twice")
_NATIVE_NAMES: Final = {"orderingkey": "ordering_key"}
_ENVELOPE_REASONS: Final = {
    QuarantineReason.TOO_LARGE: Code.TOO_LARGE,
    QuarantineReason.BAD_JSON: Code.INVALID_JSON,
}


class Ambience(msgspec.Struct, frozen=True):
    """What surrounds a request: the time, its headers that count, a source of fresh ids."""

    now_ms: int
    fresh_event_id: Callable[[], str]
    idempotency_key: str | None = None
    traces: Mapping[str, str] = msgspec.field(default_factory=dict)
    hops: int = 0
    data_bytes_max: int = DATA_BYTES_MAX


def parse_idempotency_key(value: str | None) -> str | Problem | None:
    """Check the header; visible ASCII, so that proxies cannot change it on the way."""
    if value is None:
        return None
    if len(value) > IDEMPOTENCY_KEY_CHARS_MAX or not _VISIBLE.fullmatch(value):
        detail = f"Idempotency-Key is not 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters"
        return Problem(Code.INVALID_REQUEST, detail)
    return value


def parse_traces(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep the W3C trace headers that are well formed; broken ones are ignored as W3C says."""
    found = {name: trace_value(name, headers.get(name)) for name in TRACE_NAMES}
    if found["traceparent"] is None:
        return {}
    return {name: value for name, value in found.items() if value is not None}


def admit_native(raw: bytes, ambience: Ambience, *, index: int | None = None) -> Event | Problem:
    """Judge an event in our own JSON shape; `index` is its place in a batch."""
    native = read_plain(raw)
    event = None if native is None else admit_plain(native, ambience, index)
    return event or _admit_closely(raw, ambience, index)


def admit_plain(native: NativeEvent, ambience: Ambience, index: int | None) -> Event | None:
    """Judge an event as `admit_native` does; None = it needs a closer look at its bytes."""
    data = bytes(native.data)
    if data and not is_sound(data):
        return None
    event = _assemble(native, data, ambience, index)
    finished = _finish(event, ambience, _in_native) if isinstance(event, Event) else None
    return finished if isinstance(finished, Event) else None


def _admit_closely(raw: bytes, ambience: Ambience, index: int | None) -> Event | Problem:
    """Judge an event field by field, to name each that is wrong: most need not be."""
    document = parse_object(raw)
    if isinstance(document, JsonRefused):
        return document.problem()
    errors = _unknown_fields(document) + _field_errors(document.members)
    if errors:
        return invalid(errors)
    texts = {name: document.members.get(name) for name in _TEXT_FIELDS}
    present = {name: text for name, text in texts.items() if text is not None}
    native = msgspec.convert(present, NativeEvent)
    data = document.raw.get("data", b"")
    return _finish(_assemble(native, data, ambience, index), ambience, _in_native)


def _assemble(
    native: NativeEvent, data: bytes, ambience: Ambience, index: int | None
) -> Event | Violation:
    """Make the event that the fields describe, if it is one."""
    source = DEFAULT_SOURCE if native.source is None else native.source
    event_id = native.id
    if event_id is None:
        event_id = _event_id(native.subscriber, source, ambience, index)
    extensions = dict(ambience.traces)
    if native.ordering_key is not None:
        extensions["orderingkey"] = native.ordering_key
    has_data = data not in _NO_DATA
    event = Event(
        subscriber=native.subscriber,
        id=event_id,
        source=source,
        type=native.type,
        time=native.time,
        subject=native.subject,
        datacontenttype="application/json" if has_data else None,
        extensions=extensions,
        data=data if has_data else None,
    )
    if is_ordinary(event, data_bytes_max=ambience.data_bytes_max):
        return event
    return check_event(event, data_bytes_max=ambience.data_bytes_max) or event


def admit_structured(raw: bytes, ambience: Ambience) -> Event | Problem:
    """Judge a CloudEvent that is one JSON document; its extension names the subscriber."""
    document = parse_object(raw)
    if isinstance(document, JsonRefused):
        return document.problem()
    event = decode_document(raw, data_bytes_max=ambience.data_bytes_max)
    return _finish(event, ambience, pointer_of)


def admit_binary(headers: Mapping[str, str], body: bytes, ambience: Ambience) -> Event | Problem:
    """Judge a CloudEvent in `ce-*` headers; JSON data must be JSON, anything else is just bytes."""
    if _has_repeated_attributes(headers):
        return _REPEATED_ATTRIBUTE
    event = event_from_http(headers, body, data_bytes_max=ambience.data_bytes_max)
    if isinstance(event, Event) and event.data and is_json_type(event.datacontenttype or ""):
        refused = check_json(event.data)
        if refused is not None:
            return refused.problem()
    return _finish(event, ambience, _in_headers)


def _has_repeated_attributes(headers: Mapping[str, str]) -> bool:
    """Ask whether a `ce-*` field comes twice: who reads along may take the other one."""
    # `items` has each field of a request; its names alone come once each.
    names = [name.lower() for name, _ in headers.items()]
    attributes = [name for name in names if name.startswith("ce-")]
    return len(set(attributes)) < len(attributes)


def _in_native(attribute: str) -> str:
    """Point at the field of our own shape that became this attribute."""
    return pointer_of(_NATIVE_NAMES.get(attribute, attribute))


def _in_headers(attribute: str) -> str:
    """Point at the header of this attribute, as if all of them were one document."""
    return pointer_of("content-type" if attribute == "datacontenttype" else f"ce-{attribute}")


def _finish(
    event: Event | Violation, ambience: Ambience, place_of: Callable[[str], str]
) -> Event | Problem:
    """Add the rules that only ingest has: the future, and the trace of the request.

    `place_of` points at an attribute in the form that the event came in.
    """
    if isinstance(event, Violation):
        code = _ENVELOPE_REASONS.get(event.reason, Code.VALIDATION_FAILED)
        if code is not Code.VALIDATION_FAILED:
            return Problem(code, event.detail)
        pointer = "" if event.attribute is None else place_of(event.attribute)
        return Problem(code, event.detail, (FieldError(pointer, event.detail),))
    time_ms = parse_ms(event.time) if event.time is not None else None
    if time_ms is not None and time_ms > ambience.now_ms + FUTURE_MS_MAX:
        return invalid([FieldError(place_of("time"), "more than 24 hours ahead")])
    if ambience.traces and "traceparent" not in event.extensions:
        event.extensions.update(ambience.traces)
    return msgspec.structs.replace(event, hops=ambience.hops) if ambience.hops else event


def _event_id(subscriber: str, source: str, ambience: Ambience, index: int | None) -> str:
    """Derive the id from the Idempotency-Key, one per place in a batch, or make a fresh one."""
    key = ambience.idempotency_key
    if key is None:
        return ambience.fresh_event_id()
    return idempotent_event_id(subscriber, source, key if index is None else f"{key} {index}")


def _unknown_fields(document: JsonObject) -> list[FieldError]:
    unknown = (name for name in document.members if name not in NATIVE_FIELDS)
    return [FieldError(pointer_of(name), "there is no such field") for name in unknown]


def _field_errors(members: Mapping[str, JsonValue]) -> list[FieldError]:
    errors = []
    for name in _TEXT_FIELDS:
        reason = _broken(name, members.get(name))
        if reason is not None:
            errors.append(FieldError(pointer_of(name), reason))
    return errors


def _broken(name: str, value: JsonValue) -> str | None:
    if value is None:
        return "this field is required" if name in _REQUIRED_FIELDS else None
    if not isinstance(value, str):
        return "not a string"
    if name == "subscriber":
        return check_subscriber(value)
    if name == "time":
        return None if parse_ms(value) is not None else "not an RFC 3339 timestamp"
    if name in _VISIBLE_LENGTHS:
        chars_max = _VISIBLE_LENGTHS[name]
        is_visible = len(value) <= chars_max and _VISIBLE.fullmatch(value)
        return None if is_visible else f"not 1 to {chars_max} visible ASCII characters"
    chars_max = _LENGTHS[name]
    is_good = 1 <= len(value) <= chars_max and not has_forbidden_characters(value)
    return None if is_good else f"not 1 to {chars_max} characters without controls"
