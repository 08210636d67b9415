"""Compile a JSON Schema of an event type, and find where data breaks it.

A schema comes from a person and is run on every event of its type, so it is surveyed before it is
compiled: it refers only to itself (nothing is ever fetched), its size, depth and number of
subschemas after following references are bounded, and its patterns run in linear time.
"""

from collections.abc import Iterator
from typing import Protocol

import jsonschema_rs
import msgspec

from schemas.schema_survey import SchemaError, survey

FAULTS_MAX = 10
DETAIL_CHARS_MAX = 200
PATTERN_BYTES_MAX = 1_048_576
"""Compiled size of one pattern."""
ANY_NAME = "*"

_PATTERNS = jsonschema_rs.RegexOptions(
    size_limit=PATTERN_BYTES_MAX, dfa_size_limit=PATTERN_BYTES_MAX
)
# What an error of the engine says about the schema; other attributes repeat the data.
_CONSTRAINTS = (
    "property", "types", "limit", "pattern", "format", "multiple_of", "options", "expected_value",
)  # fmt: skip


class _Validator(Protocol):
    """What the engine makes of a schema, whatever its draft."""

    def is_valid(self, instance: object) -> bool:
        """Judge parsed JSON."""

    def iter_errors(self, instance: object) -> Iterator[jsonschema_rs.ValidationError]:
        """Return every fault."""


class SchemaFault(msgspec.Struct, frozen=True):
    """Where data breaks a schema, and which keyword; never what the data holds."""

    pointer: str
    detail: str


class CompiledSchema:
    """A schema ready to judge; immutable."""

    __slots__ = ("_names", "_validator")

    def __init__(self, validator: _Validator, names: frozenset[str]) -> None:
        self._validator = validator
        self._names = names

    def faults(self, data: object) -> tuple[SchemaFault, ...]:
        """Return the first faults of parsed JSON data, none when it is valid; total."""
        try:
            if self._validator.is_valid(data):
                return ()
            faults = []
            for error in self._validator.iter_errors(data):
                faults.append(SchemaFault(self._place_of(error), _detail_of(error)))
                if len(faults) == FAULTS_MAX:
                    break
            return tuple(faults)
        except ValueError:  # the engine's own limits, such as lone surrogates
            return (SchemaFault("", "the data cannot be checked"),)

    def _place_of(self, error: jsonschema_rs.ValidationError) -> str:
        """Return a pointer in which a name that the schema does not know is left out."""
        return "".join(
            f"/{segment}"
            if isinstance(segment, int)
            else f"/{_escaped(segment) if segment in self._names else ANY_NAME}"
            for segment in error.instance_path
        )


def compile_schema(document: object) -> CompiledSchema | list[SchemaError]:
    """Check and compile a JSON Schema; total on any JSON value."""
    found = survey(document)
    if isinstance(found, list):
        return found
    assert isinstance(document, dict | bool)  # the survey saw to it
    try:
        validator = jsonschema_rs.validator_for(
            document, retriever=_never_fetch, pattern_options=_PATTERNS
        )
    except jsonschema_rs.ValidationError as error:
        pointer = "".join(f"/{_escaped(str(segment))}" for segment in error.instance_path)
        return [SchemaError(pointer, _compile_problem(error))]
    except ValueError as error:
        return [SchemaError("", str(error)[:DETAIL_CHARS_MAX])]
    return CompiledSchema(validator, found.names)


def _compile_problem(error: jsonschema_rs.ValidationError) -> str:
    if getattr(error.kind, "format", None) == "regex":
        return "not a pattern of linear time: no look-around, no back-reference, a bounded size"
    return error.message[:DETAIL_CHARS_MAX]


def _detail_of(error: jsonschema_rs.ValidationError) -> str:
    detail = f"does not keep {error.kind.name}"
    for name in _CONSTRAINTS:
        wanted = getattr(error.kind, name, None)
        if wanted is not None:
            text = msgspec.json.encode(wanted, enc_hook=str).decode()
            return f"{detail}: {text}"[:DETAIL_CHARS_MAX]
    return detail


def _never_fetch(uri: str) -> dict[str, object]:
    raise LookupError(f"{uri[:100]} is not fetched: a schema refers only to itself")


def _escaped(segment: str) -> str:
    return segment.replace("~", "~0").replace("/", "~1")
