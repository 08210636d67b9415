"""Judging by schemas never raises, whatever the data, and never repeats it."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event
from schemas.event_schemas import CompiledSchema, compile_schema
from schemas.event_types import EventTypeCatalogue, EventTypeRecord
from schemas.schema_survey import SchemaError

SECRET = "s3cr3t"
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.just(SECRET)
)
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", SECRET]), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = [
    "type", "properties", "items", "required", "enum", "const", "minimum", "maxLength", "not",
    "anyOf", "oneOf", "additionalProperties", "propertyNames", "uniqueItems", "$ref", "pattern",
]  # fmt: skip
SCHEMAS = st.recursive(
    st.sampled_from(["object", "string", "#", "#/items", "a", 1, True, None, ["a"], []]),
    lambda inner: (
        st.dictionaries(st.sampled_from([*WORDS, "a", "b"]), inner, max_size=4)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)
STRICT: dict[str, object] = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"items": {"type": "null"}}},
    "additionalProperties": {"maxLength": 2, "not": {"type": "boolean"}},
    "propertyNames": {"maxLength": 3},
}


@given(st.binary(max_size=30) | DATA.map(orjson.dumps))
def test_a_judgement_never_raises_and_never_repeats_the_data(data: bytes) -> None:
    """Neither values nor the names that only the data knows."""
    catalogue = EventTypeCatalogue()
    record = EventTypeRecord(
        name="t", version=1, schema=STRICT, validation="enforce", created_at="", updated_at=""
    )
    assert catalogue.change("t", record) == []

    found = catalogue.violations(Event(subscriber="a", id="1", source="/", type="t", data=data))

    assert all(SECRET not in violation.pointer + violation.detail for violation in found)


@given(SCHEMAS, DATA)
def test_any_schema_compiles_or_is_refused_with_places(schema: object, data: object) -> None:
    """Nothing raises, and what compiles judges anything."""
    compiled = compile_schema(schema)

    if isinstance(compiled, CompiledSchema):
        assert isinstance(compiled.faults(data), tuple)
    else:
        assert compiled
        assert all(isinstance(error, SchemaError) and error.detail for error in compiled)
