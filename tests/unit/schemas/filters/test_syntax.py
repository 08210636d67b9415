"""Tests of what a filter document may say, and of the places its errors name."""

import pytest

from schemas.filters import CompiledFilter, FilterError, compile_filter


def _errors(document: object) -> list[FilterError]:
    found = compile_filter(document)
    assert isinstance(found, list)
    assert found
    return found


def _nested(levels: int) -> object:
    document: object = {"type": "a"}
    for _ in range(levels):
        document = {"$not": document}
    return document


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"data.amount": {"$gte": 100}, "type": "order.paid", "$or": [{"subject": "a"}, {}]},
        {"$and": [{"id": "1"}, {"source": {"$prefix": "/"}}]},
        {"data.a": {"$not": {"$not": {"$eq": 1}}}},
        {"orderingkey": "k", "time": {"$gt": "2026"}, "datacontenttype": {"$exists": False}},
        {"data.a": {"$in": [1, "x", None, True, 1.5]}},
        {"data.a": 2**64 - 1},
        {"data.a": -(2**63)},
        {f"data.{n}": n for n in range(64)},
        _nested(8),
        {"data." + "x" * 8_000: 1},
    ],
)
def test_a_filter_that_keeps_the_rules_compiles(document: object) -> None:
    """At the limits, too."""
    assert isinstance(compile_filter(document), CompiledFilter)


@pytest.mark.parametrize(
    ("document", "pointer", "word"),
    [
        (None, "", "object"),
        ([], "", "object"),
        ("type", "", "object"),
        ({"Type": "a"}, "/Type", "path"),
        ({"data": 1}, "/data", "path"),
        ({"dataschema": "a"}, "/dataschema", "path"),
        ({"subscriber": "a"}, "/subscriber", "path"),
        ({"data.": 1}, "/data.", "empty"),
        ({"data.a..b": 1}, "/data.a..b", "empty"),
        ({"data." + ".".join("a" * 65): 1}, "/data." + ".".join("a" * 65), "segments"),
        ({"": 1}, "/", "path"),
        ({"data.a/~": {}}, "/data.a~1~0", "at least one"),
        ({"data.a": [1]}, "/data.a", "$in"),
        ({"data.a": {"b": 1}}, "/data.a/b", "not an operator"),
        ({"data.a": {"$regex": "x"}}, "/data.a/$regex", "not an operator"),
        ({"data.a": {"$or": []}}, "/data.a/$or", "joins filters"),
        ({"data.a": {"$not": 1}}, "/data.a/$not", "operators"),
        ({"data.a": {"$gt": None}}, "/data.a/$gt", "number or a string"),
        ({"data.a": {"$lte": True}}, "/data.a/$lte", "number or a string"),
        ({"data.a": {"$gt": {}}}, "/data.a/$gt", "$gt takes"),
        ({"data.a": {"$eq": []}}, "/data.a/$eq", "$eq takes"),
        ({"data.a": {"$in": []}}, "/data.a/$in", "at least one"),
        ({"data.a": {"$in": "abc"}}, "/data.a/$in", "list"),
        ({"data.a": {"$nin": [[1]]}}, "/data.a/$nin", "$nin takes"),
        ({"data.a": {"$exists": 1}}, "/data.a/$exists", "true or false"),
        ({"data.a": {"$prefix": 1}}, "/data.a/$prefix", "string"),
        ({"data.a": {"$suffix": None}}, "/data.a/$suffix", "string"),
        ({"data.a": 2**64}, "/data.a", "64 bits"),
        ({"data.a": float("inf")}, "/data.a", "finite"),
        ({"data.a": float("nan")}, "/data.a", "finite"),
        ({"data.a": b"x"}, "/data.a", "takes"),
        ({"data.a": object()}, "", "JSON"),
        ({1: "a"}, "", "string"),
        ({"$eq": 1}, "/$eq", "under a path"),
        ({"$nor": []}, "/$nor", "beside paths"),
        ({"$and": []}, "/$and", "at least one"),
        ({"$or": {"type": "a"}}, "/$or", "list"),
        ({"$or": [{"type": "a"}, 1]}, "/$or/1", "object"),
        ({"$or": [{"$not": {"$gt": 1}}]}, "/$or/0/$not/$gt", "under a path"),
        ({"$not": []}, "/$not", "object"),
        (_nested(9), "/$not" * 9, "8 deep"),
        (_nested(5_000), "", "8 deep"),
        ({f"data.{n}": n for n in range(65)}, "", "64 conditions"),
        ({"data." + "x" * 8_192: 1}, "", "8192 bytes"),
    ],
)
def test_an_error_names_its_place(document: object, pointer: str, word: str) -> None:
    """A JSON pointer into the document, and what would be right."""
    first = _errors(document)[0]

    assert first.pointer == pointer
    assert word in first.detail


def test_a_document_that_contains_itself_is_refused() -> None:
    """Total on any value, not only on what JSON can say."""
    document: dict[str, object] = {}
    document["$not"] = document

    assert _errors(document)[0].pointer == ""


def test_operators_under_a_path_count_for_the_depth() -> None:
    """A tower of `$not` is one, wherever it stands."""
    operators: object = {"$eq": 1}
    for _ in range(9):
        operators = {"$not": operators}

    assert "8 deep" in _errors({"data.a": operators})[0].detail


def test_all_errors_are_told_at_once_up_to_a_bound() -> None:
    """A person mends a filter in one go; a machine gets no megabytes back."""
    assert [error.pointer for error in _errors({"A": 1, "data.x": {"$no": 1}})] == [
        "/A",
        "/data.x/$no",
    ]
    assert len(_errors({f"A{n}": 1 for n in range(100)})) == 20
