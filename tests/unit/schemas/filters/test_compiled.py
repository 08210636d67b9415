"""Tests of whole filters: joining, attributes, extensions, laziness."""

import pytest

from schemas.filters import CompiledFilter, EventView, compile_filter
from tests.unit.schemas.filters.events import event

PAID = event(
    {"amount": 120, "lines": [{"sku": "A1"}, {"sku": "B2"}], "buyer": {"vip": True}},
    subject="cart-7",
    time="2026-01-02T03:04:05Z",
    datacontenttype="application/json",
    extensions={"region": "eu", "orderingkey": "k"},
)


def _compiled(document: object) -> CompiledFilter:
    compiled = compile_filter(document)
    assert isinstance(compiled, CompiledFilter)
    return compiled


@pytest.mark.parametrize(
    ("document", "is_expected"),
    [
        ({}, True),
        ({"id": "1", "type": "order.paid", "source": "/shop", "subject": "cart-7"}, True),
        ({"time": {"$gte": "2026-01-01"}, "datacontenttype": {"$suffix": "json"}}, True),
        ({"region": "eu", "orderingkey": {"$in": ["k"]}}, True),
        ({"region": {"$ne": "eu"}}, False),
        ({"zone": {"$ne": "eu"}}, True),
        ({"zone": {"$exists": False}}, True),
        ({"zone": "eu"}, False),
        ({"type": {"$prefix": "order."}, "data.amount": {"$gte": 100}}, True),
        ({"type": {"$prefix": "order."}, "data.amount": {"$gte": 121}}, False),
        ({"$or": [{"type": "x"}, {"data.buyer.vip": True}]}, True),
        ({"$or": [{"type": "x"}, {"data.buyer.vip": 1}]}, False),
        ({"$and": [{"data.amount": 120}, {"$not": {"subject": "x"}}]}, True),
        ({"$not": {"data.amount": 120, "subject": "x"}}, True),
        ({"$not": {}}, False),
        ({"$or": [{"data.lines.sku": "B2"}], "data.lines.1.sku": "B2"}, True),
        ({"data.lines.0.sku": "B2"}, False),
        ({"data.lines.sku": {"$nin": ["B2"]}}, False),
    ],
)
def test_a_filter_decides(document: object, is_expected: bool) -> None:
    """Members are joined by and; paths reach attributes, extensions and data."""
    assert _compiled(document).matches(EventView(PAID)) is is_expected


def test_an_attribute_that_is_absent_is_missing() -> None:
    """As an absent member of the data is."""
    view = EventView(event({}))

    assert not _compiled({"subject": {"$exists": True}}).matches(view)
    assert _compiled({"time": {"$nin": ["x"]}}).matches(view)


def test_data_is_read_only_when_a_filter_asks_and_only_once() -> None:
    """A filter over attributes costs no parsing; a hundred over data cost one."""
    view = EventView(PAID)
    assert _compiled({"type": "order.paid"}).matches(view)
    assert not isinstance(view._data, dict)

    assert _compiled({"data.amount": 120}).matches(view)
    parsed = view._data
    assert _compiled({"data.buyer.vip": True}).matches(view)

    assert view._data is parsed


def test_conditions_come_in_document_order() -> None:
    """For people who read an explanation beside their filter."""
    compiled = _compiled(
        {"id": "1", "$or": [{"type": "a"}, {"$not": {"source": "b"}}], "data.x": {"$gt": 1}}
    )

    assert [condition.pointer for condition in compiled.conditions()] == [
        "/id",
        "/$or/0/type",
        "/$or/1/$not/source",
        "/data.x/$gt",
    ]
