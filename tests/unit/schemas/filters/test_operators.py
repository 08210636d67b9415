"""Tests of every operator on every kind of value, through the compiled filter."""

import pytest

from schemas.filters import CompiledFilter, EventView, compile_filter
from tests.unit.schemas.filters.events import event

MISSING = object()
"""Stands for a path that is not there."""

# operator, operand → the values for which it holds, and for which it does not
TABLE: list[tuple[str, object, list[object], list[object]]] = [
    (
        "$eq", 1,
        [1, 1.0, [1], [0, 1.0], [[1]]],
        [MISSING, None, "1", True, 2, {}, {"a": 1}, [], [True], ["1"], [{"a": 1}]],
    ),
    ("$eq", 1.5, [1.5, [1.5]], [MISSING, None, "1.5", 1, [], [1]]),
    ("$eq", 0, [0, 0.0, -0.0], [False, None, "", [], [False]]),
    ("$eq", "a", ["a", ["b", "a"], [["a"]]], [MISSING, None, "A", "ab", 1, {"a": "a"}, [], ["b"]]),
    ("$eq", None, [None, [None], [1, None]], [MISSING, 0, False, "", {}, [], [0], "null"]),
    ("$eq", True, [True, [True], [0, True]], [MISSING, None, 1, "true", False, [], [1]]),
    ("$eq", False, [False, [False]], [MISSING, None, 0, "", True, [], [0]]),
    ("$ne", 1, [MISSING, None, "1", True, 2, {}, [], [2], [True]], [1, 1.0, [1], [2, 1]]),
    ("$ne", "a", [MISSING, None, 1, "b", [], ["b"], {}], ["a", ["a"], ["b", "a"]]),
    ("$ne", None, [MISSING, 0, "", [], [0], {}], [None, [None]]),
    ("$gt", 5, [6, 5.5, [6], [1, 9]], [MISSING, None, 5, 4, "6", True, {}, [], [5], ["9"]]),
    ("$gt", 0, [1, 0.1], [MISSING, True, False, [True], 0]),
    ("$gte", 5, [5, 5.0, 6, [5], [1, 5]], [MISSING, None, 4, "5", "6", True, {}, [], [4]]),
    ("$lt", 5, [4, 4.9, -1, [4], [9, 4]], [MISSING, None, 5, 6, "4", False, {}, [], [5], ["4"]]),
    ("$lte", 5, [5, 4, [5], [9, 5]], [MISSING, None, 6, "5", False, True, {}, [], [6]]),
    ("$gt", "m", ["n", "mm", ["a", "z"]], [MISSING, None, "m", "a", 9, True, {}, [], ["a"], [9]]),
    ("$gte", "m", ["m", "n", ["m"]], [MISSING, None, "l", "M", 9, [], ["a", 9]]),
    ("$lt", "m", ["a", "M", "", ["z", "a"]], [MISSING, None, "m", "z", 1, False, {}, [], ["z"]]),
    ("$lte", "m", ["m", "a", ["m"]], [MISSING, None, "n", 1, [], ["n", 1]]),
    (
        "$in", [1, "a", None],
        [1, 1.0, "a", None, ["a"], [9, 1], [None]],
        [MISSING, True, 2, "b", "1", {}, [], [True, "b"]],
    ),
    ("$in", [True], [True, [True]], [MISSING, None, 1, "true", False, [1], []]),
    ("$in", [False, 7], [False, 7, [7], [False]], [MISSING, None, 0, "", True, [0], []]),
    ("$nin", [1, "a"], [MISSING, None, True, 2, "b", {}, [], ["b"]], [1, 1.0, "a", ["b", "a"]]),
    ("$nin", [None], [MISSING, 0, "", [], [0]], [None, [None]]),
    ("$exists", True, [None, 0, "", {}, [], [None], False], [MISSING]),
    ("$exists", False, [MISSING], [None, 0, "", {}, [], [1], False]),
    ("$prefix", "ab", ["ab", "abc", ["x", "abc"]], [MISSING, None, "a", "xab", 1, {}, [], [1]]),
    ("$prefix", "", ["", "a", ["a"]], [MISSING, None, 0, True, {}, [], [0]]),
    ("$suffix", "ab", ["ab", "xab", ["x", "xab"]], [MISSING, None, "b", "abx", 1, {}, [], [1]]),
    ("$suffix", "", ["", "a", ["a"]], [MISSING, None, 0, True, {}, [], [0]]),
]  # fmt: skip
CASES = [
    (operator, operand, value, is_expected)
    for operator, operand, holding, failing in TABLE
    for values, is_expected in ((holding, True), (failing, False))
    for value in values
]


def _name(case: object) -> str:
    return "MISSING" if case is MISSING else repr(case)


def _holds(document: object, value: object) -> bool:
    compiled = compile_filter(document)
    assert isinstance(compiled, CompiledFilter)
    return compiled.matches(EventView(event({} if value is MISSING else {"x": value})))


@pytest.mark.parametrize(("operator", "operand", "value", "is_expected"), CASES, ids=_name)
def test_an_operator_on_a_value(
    operator: str, operand: object, value: object, is_expected: bool
) -> None:
    """CONTRACT §4: missing, null, other types, booleans, 1 and 1.0, any element of an array."""
    assert _holds({"data.x": {operator: operand}}, value) is is_expected


@pytest.mark.parametrize(("operator", "operand", "value", "is_expected"), CASES, ids=_name)
def test_not_is_the_exact_opposite(
    operator: str, operand: object, value: object, is_expected: bool
) -> None:
    """Under a path and round a filter, also for a missing path."""
    assert _holds({"data.x": {"$not": {operator: operand}}}, value) is not is_expected
    assert _holds({"$not": {"data.x": {operator: operand}}}, value) is not is_expected


def test_every_operator_is_in_the_table() -> None:
    """A new operator needs its rows."""
    from schemas.filters.syntax import OPERATORS

    assert {row[0] for row in TABLE} == set(OPERATORS)


@pytest.mark.parametrize("value", [1, 1.0, "a", None, True, False])
def test_a_bare_value_means_equal(value: object) -> None:
    """The short form of `$eq`."""
    assert _holds({"data.x": value}, value)
    assert not _holds({"data.x": value}, "other")


def test_operators_of_one_path_are_joined_by_and() -> None:
    """Each may be met by another element of an array."""
    between = {"data.x": {"$gte": 5, "$lte": 7}}

    assert [_holds(between, value) for value in (5, 7, 4, 8)] == [True, True, False, False]
    assert _holds(between, [1, 9])


def test_numbers_are_compared_exactly() -> None:
    """Beyond 2**53 a float would blur neighbours."""
    assert not _holds({"data.x": 9007199254740993}, 9007199254740992)
    assert _holds({"data.x": {"$gt": 9007199254740992}}, 9007199254740993)
