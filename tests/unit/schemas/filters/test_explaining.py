"""Tests of the reasons that `/v1/filters/test` gives."""

import pytest

from schemas.filters import CompiledFilter, compile_filter, explain
from schemas.filters.explaining import wants_type
from tests.unit.schemas.filters.events import event


def _compiled(document: object) -> CompiledFilter:
    compiled = compile_filter(document)
    assert isinstance(compiled, CompiledFilter)
    return compiled


def test_every_condition_is_explained() -> None:
    """Also those that did not decide, by their pointer and the kind of value they met."""
    compiled = _compiled(
        {"data.n": {"$gte": 5}, "subject": "a", "$or": [{"data.tags": "x"}, {"data.o": None}]}
    )

    explanation = explain(
        event({"n": "7", "tags": ["x"], "o": {}}), event_types=["a", "order.*"], compiled=compiled
    )

    assert not explanation.matches
    assert explanation.why == [
        "event_types: order.* is the type of the event",
        "filter: does not hold",
        "filter/data.n/$gte: false, the value is a string",
        "filter/subject: false, the path is missing",
        "filter/$or/0/data.tags: true, the value is an array",
        "filter/$or/1/data.o: false, the value is an object",
    ]


def test_both_type_and_filter_must_want_the_event() -> None:
    """Without a filter the type decides."""
    paid = event({"n": 5, "z": None, "b": True})
    held = _compiled({"data.n": 5, "data.z": None, "data.b": True})

    assert explain(paid, event_types=["*"], compiled=held).matches
    assert not explain(paid, event_types=["other"], compiled=held).matches
    assert explain(paid, event_types=["order.paid"], compiled=None).matches
    assert explain(paid, event_types=["order"], compiled=None).why[0] == (
        "event_types: none of them is the type of the event"
    )


def test_a_filter_that_costs_too_much_is_explained() -> None:
    """It matches nothing, and says why."""
    compiled = _compiled({f"data.a.{name}": {"$ne": 1} for name in "abcdefgh"})
    costly = event({"a": [{}] * 80_000})

    explanation = explain(costly, event_types=["*"], compiled=compiled)

    assert not explanation.matches
    assert "too many array elements" in explanation.why[-1]


@pytest.mark.parametrize(
    ("pattern", "event_type", "is_expected"),
    [
        ("*", "anything", True),
        ("order.paid", "order.paid", True),
        ("order.*", "order.paid", True),
        ("order.*", "order.line.added", True),
        ("order.*", "order.", False),
        ("order.*", "order", False),
        ("order.*", "orders.paid", False),
        ("order", "order.paid", False),
    ],
)
def test_a_pattern_wants_a_type(pattern: str, event_type: str, is_expected: bool) -> None:
    """Exact, anything below a prefix, or all; fan-out's index is held to the same."""
    assert wants_type(pattern, event_type) is is_expected
