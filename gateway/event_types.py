"""What happens to event types: put, shown, deleted. Pure."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gateway.bodies import Body, parse_body
from gateway.documents import JsonValue
from gateway.problems import FieldError, Problem, invalid
from gateway.subscriptions import RawRecord
from schemas.event_schemas import compile_schema
from schemas.event_types import EventTypeRecord
from schemas.rfc3339 import format_ms


class EventTypeBody(Body):
    """Everything a client may say about an event type."""

    description: str | None = Field(default=None, max_length=1_024)
    json_schema: dict[str, object] | bool | None = Field(default=None, alias="schema")
    validation: Literal["off", "warn", "enforce"] = "off"
    example: object = None


def parse_event_type(members: Mapping[str, JsonValue]) -> EventTypeBody | Problem:
    """Judge a body; its schema must be one that can be enforced, whatever the mode."""
    body = parse_body(EventTypeBody, members)
    if isinstance(body, list):
        return invalid(body)
    schema = body.json_schema
    if schema is None:
        if body.validation != "off":
            return invalid([FieldError("/validation", "there is no schema to validate by")])
        return body
    compiled = compile_schema(schema)
    if isinstance(compiled, list):
        return invalid([FieldError("/schema" + one.pointer, one.detail) for one in compiled])
    if "example" in members and (faults := compiled.faults(body.example)):
        return invalid([FieldError("/example" + one.pointer, one.detail) for one in faults])
    return body


def put_event_type(
    body: EventTypeBody, *, name: str, current: RawRecord | None, version: int, now_ms: int
) -> RawRecord:
    """Make the next record of an event type; PUT replaces all that a client may say."""
    now = format_ms(now_ms)
    created_at = now if current is None else current["created_at"]
    return {
        **(current or {}),
        "v": 1,
        "name": name,
        "version": version,
        "description": body.description,
        "schema": body.json_schema,
        "validation": body.validation,
        "example": body.example,
        "created_at": created_at,
        "updated_at": now,
        "deleted": False,
    }


def event_type_view(record: EventTypeRecord) -> dict[str, object]:
    """Show an event type."""
    return {
        "name": record.name,
        "description": record.description,
        "schema": record.schema,
        "validation": record.validation,
        "example": record.example,
        "version": record.version,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }
