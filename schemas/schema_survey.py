"""Look a JSON Schema over before it is compiled: where it refers to, and what it may cost."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import msgspec

BYTES_MAX = 65_536
DEPTH_MAX = 64
"""Nested objects and lists, and references followed one after another."""
SUBSCHEMAS_MAX = 10_000
"""Subschemas after following every reference: what one value may be checked against."""
PATTERNS_MAX = 100
ERRORS_MAX = 20

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_ASIDE = frozenset({"$defs", "definitions"})
_VALUES = frozenset({"const", "enum", "default", "examples", "example"})


class SchemaError(msgspec.Struct, frozen=True):
    """What is wrong at a place of a schema; `pointer` is a JSON pointer into it."""

    pointer: str
    detail: str


class Survey(msgspec.Struct, frozen=True):
    """What was learnt of a schema that may be compiled."""

    names: frozenset[str]
    """Names of members that the schema itself speaks of."""


def survey(document: object) -> Survey | list[SchemaError]:
    """Look a whole document over; total on any value."""
    if not isinstance(document, dict | bool):
        return [SchemaError("", "a schema is a JSON object, true or false")]
    try:
        size_bytes = len(msgspec.json.encode(document))
    except RecursionError:
        return [SchemaError("", f"a schema nests at most {DEPTH_MAX} deep")]
    except (TypeError, ValueError, OverflowError):
        return [SchemaError("", "a schema is made of JSON values")]
    if size_bytes > BYTES_MAX:
        return [SchemaError("", f"a schema has at most {BYTES_MAX} bytes")]
    walk = _Walk(document)
    walk.visit(document, "", 0)
    if walk.patterns > PATTERNS_MAX:
        walk.refuse("", f"a schema has at most {PATTERNS_MAX} patterns")
    if not walk.errors:
        walk.weigh(document, 0)
    return walk.errors or Survey(frozenset(walk.names))


class _Walk:
    """One pass over all places, then one along the references."""

    def __init__(self, document: Mapping[str, object] | bool) -> None:
        self.errors: list[SchemaError] = []
        self.names: set[str] = set()
        self.patterns = 0
        self._document = document
        self._anchors: dict[str, object] = {}
        self._weights: dict[int, int] = {}
        self._under_way: set[int] = set()

    def refuse(self, pointer: str, detail: str) -> None:
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(SchemaError(pointer, detail))

    def visit(self, schema: object, pointer: str, depth: int) -> None:
        if not isinstance(schema, dict):
            return
        if depth > DEPTH_MAX:
            self.refuse(pointer, f"a schema nests at most {DEPTH_MAX} deep")
            return
        self._note(schema, pointer)
        for step, child in _subschemas(schema):
            self.visit(child, pointer + step, depth + step.count("/"))

    def _note(self, schema: Mapping[str, object], pointer: str) -> None:
        for keyword in _REFERENCES:
            target = schema.get(keyword)
            if isinstance(target, str) and not target.startswith("#"):
                detail = "refers only to the schema itself (#/…); nothing is fetched"
                self.refuse(f"{pointer}/{keyword}", detail)
        if pointer and isinstance(schema.get("$id", schema.get("id")), str):
            self.refuse(pointer, "only the whole schema has an $id")
        for keyword in ("$anchor", "$dynamicAnchor"):
            anchor = schema.get(keyword)
            if isinstance(anchor, str):
                self._anchors[anchor] = schema
        patterns = schema.get("patternProperties")
        self.patterns += "pattern" in schema
        self.patterns += len(patterns) if isinstance(patterns, dict) else 0
        properties = schema.get("properties")
        if isinstance(properties, dict):
            self.names |= properties.keys()

    def weigh(self, schema: object, hops: int) -> int:
        """Count what checking against a schema may touch; a cycle counts once."""
        if not isinstance(schema, dict) or id(schema) in self._under_way:
            return 1
        known = self._weights.get(id(schema))
        if known is not None:
            return known
        if hops > DEPTH_MAX:
            self.refuse("", f"references lead on at most {DEPTH_MAX} times")
            return 1
        self._under_way.add(id(schema))
        weight = 1
        for step, child in _subschemas(schema):
            if step.split("/")[1] not in _ASIDE:
                weight += self.weigh(child, hops + 1)
        for keyword in _REFERENCES:
            target = schema.get(keyword)
            if isinstance(target, str):
                weight += self.weigh(self._resolve(target), hops + 1)
        self._under_way.discard(id(schema))
        self._weights[id(schema)] = weight
        if weight > SUBSCHEMAS_MAX and not self.errors:
            self.refuse("", f"its references unfold to more than {SUBSCHEMAS_MAX} subschemas")
        return weight

    def _resolve(self, target: str) -> object:
        """Return what a reference names; the compiler says what is wrong with a bad one."""
        fragment = unquote(target.removeprefix("#"))
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment)
        place: object = self._document
        for segment in fragment.split("/")[1:]:
            name = segment.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict):
                place = place.get(name)
            elif isinstance(place, list) and name.isdigit() and int(name) < len(place):
                place = place[int(name)]
            else:
                return None
        return place


def _subschemas(schema: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Return the schemas directly inside one, with the pointer that leads there."""
    for keyword, value in schema.items():
        step = "/" + str(keyword).replace("~", "~0").replace("/", "~1")
        if keyword in _VALUES:
            continue
        if isinstance(value, list):
            for at, child in enumerate(value):
                yield f"{step}/{at}", child
        elif isinstance(value, dict) and keyword in _MAPS:
            for name, child in value.items():
                escaped = str(name).replace("~", "~0").replace("/", "~1")
                yield f"{step}/{escaped}", child
        else:
            yield step, value
