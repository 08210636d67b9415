"""The operators as closures: one test for a single value, one for the elements of an array.

A comparison across types is false: booleans are not numbers, null is only equal to null, and
1 equals 1.0. `$ne` and `$nin` are the exact opposites of `$eq` and `$in`, so they hold for a
missing path and for another type, and for an array only when no element is equal.
"""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import NamedTuple, cast

from schemas.filters.view import Elements

Test = Callable[[object], bool]
TestElements = Callable[[Elements], bool]


class Operator(NamedTuple):
    """An operator with its operand: on one value, on elements, and on nothing."""

    holds: Test
    holds_among: TestElements
    holds_missing: bool = False


def operator_of(name: str, operand: object) -> Operator:
    """Return an operator; the operand was checked by `syntax.operand_problem`."""
    match name:
        case "$eq":
            return _equal(operand)
        case "$ne":
            return _opposite(_equal(operand))
        case "$in":
            return _within(cast("list[object]", operand))
        case "$nin":
            return _opposite(_within(cast("list[object]", operand)))
        case "$exists":
            return _exists(is_wanted=bool(operand))
        case "$prefix":
            return _prefix(str(operand))
        case "$suffix":
            return _suffix(str(operand))
    return _ordered(name, operand)


def _equal(operand: object) -> Operator:
    if operand is None:
        return Operator(lambda found: found is None, lambda found: found.has_null)
    if operand is True:
        return Operator(lambda found: found is True, lambda found: found.has_true)
    if operand is False:
        return Operator(lambda found: found is False, lambda found: found.has_false)
    if isinstance(operand, str):
        return Operator(lambda found: found == operand, lambda found: found.has_text(operand))
    number = cast("int | float", operand)
    return Operator(
        lambda found: found == number and found is not True and found is not False,
        lambda found: found.has_number(number),
    )


def _within(operands: list[object]) -> Operator:
    texts = frozenset(operand for operand in operands if isinstance(operand, str))
    numbers = frozenset(
        operand
        for operand in operands
        if isinstance(operand, int | float) and not isinstance(operand, bool)
    )
    has_null = None in operands
    has_true = any(operand is True for operand in operands)
    has_false = any(operand is False for operand in operands)

    def holds(found: object) -> bool:
        if isinstance(found, str):
            return found in texts
        if found is None:
            return has_null
        if found is True:
            return has_true
        if found is False:
            return has_false
        return isinstance(found, int | float) and found in numbers

    def holds_among(found: Elements) -> bool:
        return (
            (has_null and found.has_null)
            or (has_true and found.has_true)
            or (has_false and found.has_false)
            or found.has_any_text(texts)
            or found.has_any_number(numbers)
        )

    return Operator(holds, holds_among)


def _exists(*, is_wanted: bool) -> Operator:
    return Operator(lambda _: is_wanted, lambda _: is_wanted, holds_missing=not is_wanted)


def _prefix(prefix: str) -> Operator:
    return Operator(
        lambda found: isinstance(found, str) and found.startswith(prefix),
        lambda found: found.has_prefix(prefix),
    )


def _suffix(suffix: str) -> Operator:
    return Operator(
        lambda found: isinstance(found, str) and found.endswith(suffix),
        lambda found: found.has_suffix(suffix),
    )


def _ordered(name: str, operand: object) -> Operator:
    """Compare numbers by value, strings by code point; of many, the extreme one decides."""
    extreme = -1 if name in {"$gt", "$gte"} else 0
    if isinstance(operand, str):
        compare_text = _TEXT_ORDER[name]
        return Operator(
            lambda found: isinstance(found, str) and compare_text(found, operand),
            lambda found: bool(found.texts) and compare_text(found.texts[extreme], operand),
        )
    number = cast("int | float", operand)
    compare = _NUMBER_ORDER[name]
    return Operator(
        lambda found: (
            isinstance(found, int | float)
            and found is not True
            and found is not False
            and compare(found, number)
        ),
        lambda found: bool(found.numbers) and compare(found.numbers[extreme], number),
    )


_TEXT_ORDER: dict[str, Callable[[str, str], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_NUMBER_ORDER: dict[str, Callable[[float, float], bool]] = {
    "$gt": gt,
    "$gte": ge,
    "$lt": lt,
    "$lte": le,
}


def _opposite(operator: Operator) -> Operator:
    holds, holds_among, _ = operator
    return Operator(
        lambda found: not holds(found), lambda found: not holds_among(found), holds_missing=True
    )
