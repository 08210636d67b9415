"""Describe event types in the registry, and judge events by their schemas on every ingest path.

Event types belong to nobody's subscriber: they lie under the reserved name below, all on its one
partition, which every service that judges events reads beside its own.
"""

from typing import Literal

import msgspec

from schemas.event import TYPE_CHARS_MAX, Event, Violation
from schemas.event_schemas import CompiledSchema, compile_schema
from schemas.json_data import NOT_JSON, json_data
from schemas.quarantine import QuarantineReason
from schemas.registry import JsonValue
from schemas.schema_survey import SchemaError

EVENT_TYPES_SUBSCRIBER = "$event-types"
DATA_PROBLEM = "the data is not JSON"

Validation = Literal["off", "warn", "enforce"]
SchemaMode = Literal["warn", "enforce"]


class EventTypeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One event type, as the registry holds it; writers edit the raw JSON object.

    `schema` is a JSON Schema that `compile_schema` accepts; without one nothing is judged.
    """

    v: int = 1
    name: str
    version: int
    description: str | None = None
    schema: dict[str, JsonValue] | bool | None = None
    validation: Validation = "off"
    example: JsonValue = None
    created_at: str
    updated_at: str
    deleted: bool = False


class SchemaViolation(msgspec.Struct, frozen=True):
    """Where the data breaks its schema; nothing of it repeats what the data holds.

    `pointer` leads into the data; a name that only the data knows is `*` in it.
    """

    mode: SchemaMode
    pointer: str
    detail: str


_RECORD = msgspec.json.Decoder(EventTypeRecord)


def check_event_type_name(name: str) -> str | None:
    """Return what is wrong with a name, or None: what no event can have as its type."""
    if not 1 <= len(name) <= TYPE_CHARS_MAX or not all("!" <= char <= "~" for char in name):
        return f"an event type is 1 to {TYPE_CHARS_MAX} visible ASCII characters"
    return None


def decode_event_type(value: bytes) -> EventTypeRecord | Violation:
    """Read the record of an event type; never raises."""
    try:
        return _RECORD.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the event type record cannot be read")


class _Rule(msgspec.Struct, frozen=True):
    mode: SchemaMode
    schema: CompiledSchema


class EventTypeCatalogue:
    """The event types whose schemas count, compiled once per version."""

    def __init__(self) -> None:
        self._rules: dict[str, _Rule] = {}

    def change(self, name: str, record: EventTypeRecord | None) -> list[SchemaError]:
        """Take a version in; None is a tombstone.

        Returns why its schema cannot be used: then the last good version stays in force.
        """
        if (
            record is None
            or record.deleted
            or record.schema is None
            or (mode := record.validation) == "off"
        ):
            self._rules.pop(name, None)
            return []
        compiled = compile_schema(record.schema)
        if isinstance(compiled, list):
            return compiled
        self._rules[name] = _Rule(mode, compiled)
        return []

    def clear(self) -> None:
        """Forget all, before the registry is read anew."""
        self._rules.clear()

    def violations(self, event: Event) -> tuple[SchemaViolation, ...]:
        """Return where an event breaks the schema of its type, all with the mode of the type.

        Empty when it keeps it, or when no schema counts. An event without data is judged as null.
        """
        rule = self._rules.get(event.type)
        if rule is None:
            return ()
        data = None if event.data is None else json_data(event)
        if data is NOT_JSON:
            return (SchemaViolation(rule.mode, "", DATA_PROBLEM),)
        return tuple(
            SchemaViolation(rule.mode, fault.pointer, fault.detail)
            for fault in rule.schema.faults(data)
        )
