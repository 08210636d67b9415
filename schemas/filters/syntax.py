"""Read a filter document into a tree, or say everything that is wrong with it.

Total on any Python value. What is counted is bounded before it is walked, so a hostile document
costs no more than a good one.
"""

import math
import re
from collections.abc import Mapping

import msgspec

from schemas.filters.view import Path

BYTES_MAX = 8_192
CONDITIONS_MAX = 64
DEPTH_MAX = 8
SEGMENTS_MAX = 64
ERRORS_MAX = 20
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1

ATTRIBUTES = ("id", "type", "source", "subject", "time", "datacontenttype")
COMPARISONS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin")
OPERATORS = (*COMPARISONS, "$exists", "$prefix", "$suffix")

_DATA_PREFIX = "data."
_EXTENSION = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_NO_EXTENSIONS = frozenset({"data", "dataschema", "specversion", "subscriber"})
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


class FilterError(msgspec.Struct, frozen=True):
    """What is wrong at a place of a filter; `pointer` is a JSON pointer into the document."""

    pointer: str
    detail: str


class Condition(msgspec.Struct, frozen=True):
    """One operator on one path; `path` is the name of an attribute when it is no Path."""

    pointer: str
    path: Path | str
    operator: str
    operand: object


class All(msgspec.Struct, frozen=True):
    """Holds when every part holds; without parts it holds."""

    parts: tuple["Node", ...]


class Either(msgspec.Struct, frozen=True):
    """Holds when at least one part holds."""

    parts: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True):
    """Holds when its part does not."""

    part: "Node"


Node = Condition | All | Either | Not


def parse_filter(document: object) -> Node | list[FilterError]:
    """Read a whole filter document."""
    if not isinstance(document, dict):
        return [FilterError("", "a filter is a JSON object")]
    if (problem := _size_problem(document)) is not None:
        return [FilterError("", problem)]
    reader = _Reader()
    node = reader.filter(document, "", 0)
    if reader.conditions > CONDITIONS_MAX:
        reader.refuse("", f"a filter has at most {CONDITIONS_MAX} conditions")
    return reader.errors or node


def _size_problem(document: Mapping[object, object]) -> str | None:
    try:
        size_bytes = len(msgspec.json.encode(document))
    except RecursionError:
        return f"a filter nests at most {DEPTH_MAX} deep"
    except (TypeError, ValueError, OverflowError):
        return "a filter is made of JSON values"
    return f"a filter has at most {BYTES_MAX} bytes" if size_bytes > BYTES_MAX else None


class _Reader:
    """Walks a document and collects errors; never deeper than DEPTH_MAX."""

    def __init__(self) -> None:
        self.errors: list[FilterError] = []
        self.conditions = 0

    def refuse(self, pointer: str, detail: str) -> Node:
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(FilterError(pointer, detail))
        return All(())

    def filter(self, document: object, pointer: str, depth: int) -> Node:
        if not isinstance(document, dict):
            return self.refuse(pointer, "a filter is a JSON object")
        if depth > DEPTH_MAX:
            return self.refuse(pointer, f"$and, $or and $not nest at most {DEPTH_MAX} deep")
        parts: list[Node] = []
        for name, value in document.items():
            place = _inside(pointer, name)
            if not isinstance(name, str):
                parts.append(self.refuse(pointer, "the name of a member is a string"))
            elif name == "$not":
                parts.append(Not(self.filter(value, place, depth + 1)))
            elif name in {"$and", "$or"}:
                parts.append(self._list(name, value, place, depth))
            elif name.startswith("$"):
                parts.append(self.refuse(place, _misplaced(name)))
            else:
                parts.append(self._member(name, value, place, depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _list(self, name: str, value: object, pointer: str, depth: int) -> Node:
        if not isinstance(value, list) or not value:
            return self.refuse(pointer, f"{name} takes a list of at least one filter")
        parts = tuple(
            self.filter(part, f"{pointer}/{at}", depth + 1) for at, part in enumerate(value)
        )
        return All(parts) if name == "$and" else Either(parts)

    def _member(self, name: str, value: object, pointer: str, depth: int) -> Node:
        path = parse_path(name)
        if isinstance(path, FilterError):
            return self.refuse(pointer, path.detail)
        if isinstance(value, dict):
            return self._operators(path, value, pointer, depth)
        return self._condition(path, "$eq", value, pointer)

    def _operators(
        self, path: Path | str, operators: dict[object, object], pointer: str, depth: int
    ) -> Node:
        if depth > DEPTH_MAX:
            return self.refuse(pointer, f"$and, $or and $not nest at most {DEPTH_MAX} deep")
        if not operators:
            return self.refuse(pointer, "an object of operators has at least one")
        parts: list[Node] = []
        for operator, operand in operators.items():
            place = _inside(pointer, operator)
            if operator == "$not":
                if isinstance(operand, dict):
                    parts.append(Not(self._operators(path, operand, place, depth + 1)))
                else:
                    parts.append(self.refuse(place, "$not takes an object of operators here"))
            elif isinstance(operator, str) and operator in OPERATORS:
                parts.append(self._condition(path, operator, operand, place))
            else:
                parts.append(self.refuse(place, _unknown(operator)))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _condition(self, path: Path | str, operator: str, operand: object, pointer: str) -> Node:
        self.conditions += 1
        problem = operand_problem(operator, operand)
        if problem is not None:
            return self.refuse(pointer, problem)
        return Condition(pointer, path, operator, operand)


def parse_path(name: str) -> Path | str | FilterError:
    """Return a path into the data, or the name of an attribute or extension."""
    if name in ATTRIBUTES:
        return name
    if name.startswith(_DATA_PREFIX):
        names = name.removeprefix(_DATA_PREFIX).split(".")
        if "" in names:
            return FilterError("", "a path has no empty segment")
        if len(names) > SEGMENTS_MAX:
            return FilterError("", f"a path has at most {SEGMENTS_MAX} segments")
        return Path(name, tuple((segment, _index_of(segment)) for segment in names))
    if _EXTENSION.fullmatch(name) is None or name in _NO_EXTENSIONS:
        return FilterError(
            "",
            f"a path is one of {', '.join(ATTRIBUTES)}, the name of an extension, or begins "
            "with data.",
        )
    return name


def operand_problem(operator: str, operand: object) -> str | None:
    """Return why an operator cannot take an operand, or None."""
    if operator == "$exists":
        return None if isinstance(operand, bool) else "$exists takes true or false"
    if operator in {"$prefix", "$suffix"}:
        return None if isinstance(operand, str) else f"{operator} takes a string"
    if operator in {"$in", "$nin"}:
        if not isinstance(operand, list) or not operand:
            return f"{operator} takes a list of at least one value"
        problems = [_scalar_problem(operator, value) for value in operand]
        return next((problem for problem in problems if problem is not None), None)
    if operator in {"$gt", "$gte", "$lt", "$lte"} and (
        operand is None or isinstance(operand, bool)
    ):
        return f"{operator} takes a number or a string"
    return _scalar_problem(operator, operand)


def _scalar_problem(operator: str, value: object) -> str | None:
    if value is None or isinstance(value, bool | str):
        return None
    if isinstance(value, int):
        is_small = INTEGER_MIN <= value <= INTEGER_MAX
        return None if is_small else "an integer of a filter has at most 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "a number of a filter is finite"
    hint = "; for a list write $in" if operator == "$eq" and isinstance(value, list) else ""
    return f"{operator} takes a string, a number, true, false or null{hint}"


def _misplaced(name: str) -> str:
    if name in OPERATORS:
        return f"{name} belongs under a path"
    return "only $and, $or and $not stand beside paths"


def _unknown(operator: object) -> str:
    if operator in {"$and", "$or"}:
        return f"{operator} joins filters; it does not stand under a path"
    return f"not an operator; known are {' '.join(OPERATORS)} $not"


def _index_of(segment: str) -> int | None:
    return int(segment) if _INDEX.fullmatch(segment) is not None else None


def _inside(pointer: str, name: object) -> str:
    escaped = str(name).replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{escaped}"
