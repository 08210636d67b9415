"""What happens to event types."""

from typing import cast

import msgspec
import pytest

from gateway.documents import JsonValue
from gateway.event_types import EventTypeBody, event_type_view, parse_event_type, put_event_type
from gateway.problems import Problem
from schemas.event_types import EventTypeRecord

NOW_MS = 1_767_225_600_000
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}}


def parsed(**members: object) -> EventTypeBody | Problem:
    """Judge a body."""
    return parse_event_type(cast("dict[str, JsonValue]", members))


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"schema": {"type": 5}}, "/schema/type"),
        ({"schema": {"$ref": "https://example.com/x.json"}}, "/schema/$ref"),
        ({"schema": "x"}, "/schema"),
        ({"validation": "maybe"}, "/validation"),
        ({"validation": "enforce"}, "/validation"),
        ({"description": "x" * 1_025}, "/description"),
        ({"schema": SCHEMA, "example": {"amount": "x"}}, "/example/amount"),
        ({"name": "x"}, "/name"),
    ],
)
def test_a_wrong_field_names_itself(members: dict[str, object], pointer: str) -> None:
    """A schema that could not be enforced is refused whatever the mode."""
    problem = parsed(**members)

    assert isinstance(problem, Problem)
    assert problem.errors[0].pointer.startswith(pointer)


def test_a_put_replaces_what_a_client_says_and_keeps_the_rest() -> None:
    """Fields of later versions and the time of creation stay."""
    body = parsed(schema=SCHEMA, validation="warn", example={"amount": 1}, description="d")
    assert isinstance(body, EventTypeBody)
    old = {"created_at": "2020-01-01T00:00:00.000Z", "later": 1, "description": "old"}

    raw = put_event_type(body, name="a", current=old, version=4, now_ms=NOW_MS)

    assert raw["later"] == 1
    assert event_type_view(msgspec.convert(raw, EventTypeRecord)) == {
        "name": "a",
        "description": "d",
        "schema": SCHEMA,
        "validation": "warn",
        "example": {"amount": 1},
        "version": 4,
        "created_at": "2020-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }


@pytest.mark.parametrize("schema", [True, False, {}])
def test_booleans_are_schemas(schema: object) -> None:
    """False refuses everything, which is a way to retire a type."""
    body = parsed(schema=schema, validation="enforce")

    assert isinstance(body, EventTypeBody)
    assert body.json_schema == schema
