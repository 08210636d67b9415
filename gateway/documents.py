"""Strict JSON: what a body must be before anybody looks at its fields.

Pure. orjson refuses broken UTF-8, a byte order mark, NaN, infinities, lone surrogates and text
after the document. This module adds what it does not know: a cap on nesting (an event that only
orjson could read would choke whatever comes after), duplicate member names in the envelope, and
the raw bytes of every member (a round trip changes numbers beyond 64 bits, escapes and blanks).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import orjson

from gateway.problems import Code, FieldError, Problem
from schemas.json_text import depth_of, has_duplicate_names

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

DEPTH_MAX: Final = 64
MEMBERS_MAX: Final = 256
"""Members of an envelope; far above what any has, so that an answer need not name thousands."""


@dataclass(frozen=True, slots=True)
class JsonRefused:
    """The bytes are not a document we take; `detail` never quotes them.

    `is_other_kind`: they are good JSON, but no object, or no array, as was asked for.
    """

    detail: str
    is_other_kind: bool = False

    def problem(self) -> Problem:
        """Answer 400 to what could not be read, 422 to what could."""
        if self.is_other_kind:
            return Problem(Code.VALIDATION_FAILED, self.detail, (FieldError("", self.detail),))
        return Problem(Code.INVALID_JSON, self.detail)


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object: its members parsed, and the very bytes of each."""

    members: Mapping[str, JsonValue]
    raw: Mapping[str, bytes]


def parse_object(raw: bytes, *, depth_max: int = DEPTH_MAX) -> JsonObject | JsonRefused:
    """Parse a body that must be one JSON object."""
    members = _load(raw, depth_max)
    if isinstance(members, JsonRefused):
        return members
    if not isinstance(members, dict):
        return JsonRefused("the document is not a JSON object", is_other_kind=True)
    if len(members) > MEMBERS_MAX:
        return JsonRefused(f"the document has more than {MEMBERS_MAX} members")
    parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    raw_members = {name: bytes(part) for name, part in parts.items()}
    if has_duplicate_names(raw, raw_members):
        return JsonRefused("a member name occurs twice")
    return JsonObject(members, raw_members)


def split_array(raw: bytes, *, items_max: int) -> list[bytes] | JsonRefused | None:
    """Cut a JSON array into the raw bytes of its items; None when it has more than the limit.

    The items are only found, not judged: each is parsed on its own, so that one bad item does
    not cost the others.
    """
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError:  # it begins like something else
        refused = check_json(raw)
        return refused or JsonRefused("the document is not a JSON array", is_other_kind=True)
    except (msgspec.DecodeError, RecursionError):
        return JsonRefused("the document is not a JSON array")
    if len(items) > items_max:
        return None
    return [bytes(item) for item in items]


def check_json(raw: bytes, *, depth_max: int = DEPTH_MAX) -> JsonRefused | None:
    """Check that bytes are exactly one JSON document of bounded nesting."""
    value = _load(raw, depth_max)
    return value if isinstance(value, JsonRefused) else None


def _load(raw: bytes, depth_max: int) -> "JsonValue | JsonRefused":
    try:
        value: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return JsonRefused(f"not one JSON document (near line {error.lineno} column {error.colno})")
    if depth_of(raw, at_most=depth_max) > depth_max:
        return JsonRefused(f"nested deeper than {depth_max} levels")
    return value
