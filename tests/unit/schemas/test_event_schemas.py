"""Tests of compiling JSON Schemas, and of what a fault says."""

import math
import socket
from contextlib import closing

import pytest

from schemas.event_schemas import CompiledSchema, SchemaFault, compile_schema
from schemas.schema_survey import SchemaError

ORDER = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "integer", "minimum": 3},
        "a/~b": {"enum": ["q"]},
        "lines": {"items": {"properties": {"sku": {"pattern": "^[A-Z]+$"}}}},
        "extra": {"additionalProperties": {"type": "integer"}},
        "name": {"maxLength": 3},
        "kind": {"const": "order"},
        "either": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    },
    "additionalProperties": False,
}


def _compiled(document: object) -> CompiledSchema:
    compiled = compile_schema(document)
    assert isinstance(compiled, CompiledSchema)
    return compiled


def _errors(document: object) -> list[SchemaError]:
    errors = compile_schema(document)
    assert isinstance(errors, list)
    assert errors
    return errors


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({}, SchemaFault("", 'does not keep required: "amount"')),
        ([], SchemaFault("", 'does not keep type: ["object"]')),
        ({"amount": "SECRET"}, SchemaFault("/amount", 'does not keep type: ["integer"]')),
        ({"amount": 2}, SchemaFault("/amount", "does not keep minimum: 3")),
        ({"amount": 3, "a/~b": "SECRET"}, SchemaFault("/a~1~0b", 'does not keep enum: ["q"]')),
        (
            {"amount": 3, "lines": [{}, {"sku": "secret"}]},
            SchemaFault("/lines/1/sku", 'does not keep pattern: "^[A-Z]+$"'),
        ),
        (
            {"amount": 3, "extra": {"SECRET": "x"}},
            SchemaFault("/extra/*", 'does not keep type: ["integer"]'),
        ),
        ({"amount": 3, "SECRET": 1}, SchemaFault("", "does not keep additionalProperties")),
        ({"amount": 3, "name": "SECRET"}, SchemaFault("/name", "does not keep maxLength: 3")),
        ({"amount": 3, "kind": "SECRET"}, SchemaFault("/kind", 'does not keep const: "order"')),
        ({"amount": 3, "either": []}, SchemaFault("/either", "does not keep oneOf")),
    ],
)
def test_a_fault_names_place_and_keyword_and_never_the_data(
    data: object, fault: SchemaFault
) -> None:
    """Producers mend their events by it; logs and the quarantine hold it."""
    assert _compiled(ORDER).faults(data) == (fault,)


def test_valid_data_has_no_faults() -> None:
    """Numbers of any size are numbers."""
    assert _compiled(ORDER).faults({"amount": 3, "either": 1.5}) == ()
    assert _compiled({"type": "integer"}).faults(12345678901234567890123456789) == ()
    assert _compiled(True).faults(None) == ()
    assert _compiled(False).faults(None) != ()


@pytest.mark.parametrize("data", [math.inf, -math.inf, 10**400, "é", [[[[1]]]], {"": None}])
def test_judging_is_total(data: object) -> None:
    """Whatever the parser can give."""
    assert isinstance(_compiled({"maximum": 5, "maxLength": 1}).faults(data), tuple)


def test_data_that_the_engine_cannot_take_is_a_fault() -> None:
    """It cannot be called valid: a lone surrogate is no text."""
    faults = _compiled({"type": "string"}).faults("\ud800")

    assert faults == (SchemaFault("", "the data cannot be checked"),)


def test_faults_are_bounded() -> None:
    """An array of a thousand wrong elements does not give a thousand."""
    assert len(_compiled({"items": {"type": "string"}}).faults([1] * 1_000)) == 10


@pytest.mark.parametrize(
    ("document", "pointer", "word"),
    [
        ({"properties": {"a": {"type": "strin"}}}, "/properties/a/type", "strin"),
        ({"properties": {"a/b": {"minimum": "x"}}}, "/properties/a~1b/minimum", "number"),
        ({"$ref": "#/$defs/none"}, "", "does not exist"),
        ({"$ref": "https://a.example/s"}, "/$ref", "fetched"),
        ({"$schema": "https://a.example/meta"}, "", "meta-schema"),
        ({"pattern": "(a+)+(?=x)"}, "/pattern", "linear time"),
        ({"pattern": "("}, "/pattern", "linear time"),
        ({"pattern": "(a{1000}){1000}"}, "/pattern", "linear time"),
        (5, "", "object"),
    ],
)
def test_a_schema_that_does_not_compile_names_the_place(
    document: object, pointer: str, word: str
) -> None:
    """A JSON pointer into the schema, and what is wrong."""
    first = _errors(document)[0]

    assert first.pointer == pointer
    assert word in first.detail


def test_a_hostile_pattern_on_a_long_text_takes_no_time() -> None:
    """A backtracking engine would take longer than the universe."""
    assert _compiled({"pattern": "^(a+)+$"}).faults("a" * 200_000 + "!") != ()


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$schema"])
def test_nothing_is_ever_fetched(keyword: str) -> None:
    """No connection is made, whichever keyword names the address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        server.settimeout(0.2)

        assert isinstance(compile_schema({keyword: address}), list)
        assert isinstance(compile_schema({"$id": address, "$ref": "#/a"}), list)
        with pytest.raises(TimeoutError):
            server.accept()
