"""Tests of the subscriber index."""

import pytest

from fanout.index import AUDIENCES_MAX, EMPTY, NOTHING, Row, SubscriberIndex, row_of
from schemas.filters.explaining import wants_type
from tests.unit.fanout.events import subscription


def _row(name: str, *patterns: str, is_enabled: bool = True) -> Row:
    return Row(
        id=name, lane_epoch=0, is_enabled=is_enabled, enabled_at=0, event_types=tuple(patterns)
    )


INDEX = SubscriberIndex(
    [
        _row("all", "*"),
        _row("exact", "order.paid"),
        _row("below", "order.*"),
        _row("deep", "order.line.*"),
        _row("twice", "order.*", "order.paid", "invoice"),
        _row("off", "*", is_enabled=False),
    ]
)


@pytest.mark.parametrize(
    ("event_type", "names"),
    [
        ("order.paid", {"all", "exact", "below", "twice"}),
        ("order.line.added", {"all", "below", "deep", "twice"}),
        ("order.line", {"all", "below", "twice"}),
        ("order.", {"all"}),
        ("order", {"all"}),
        ("orders.paid", {"all"}),
        ("invoice", {"all", "twice"}),
        ("a.order.paid", {"all"}),
        ("Order.Paid", {"all"}),
    ],
)
def test_types_match_exactly_by_prefix_or_all(event_type: str, names: set[str]) -> None:
    """`order.*` is anything below `order.`; each subscription comes once."""
    found = [row.id for row in INDEX.match(event_type)]

    assert sorted(found) == sorted(names)


@pytest.mark.parametrize(
    "event_type", ["order", "order.", "order.paid", "order.line", "order.line.x", "orders", "a..b"]
)
@pytest.mark.parametrize("pattern", ["*", "order.*", "order.line.*", "order.paid", "order", "a.*"])
def test_the_index_agrees_with_what_the_filter_test_explains(pattern: str, event_type: str) -> None:
    """`/v1/filters/test` promises what fan-out will do."""
    is_matched = bool(SubscriberIndex([_row("one", pattern)]).match(event_type))

    assert is_matched is wants_type(pattern, event_type)


def test_a_disabled_subscription_is_known_but_not_matched() -> None:
    """A target names it, and then it is refused for being disabled."""
    row = INDEX.get("off")

    assert row is not None
    assert not row.is_enabled
    assert INDEX.get("none") is None


def test_an_empty_index_matches_nothing() -> None:
    """A subscriber without subscriptions costs nothing."""
    assert EMPTY.match("order.paid") == ()


def test_a_paused_subscription_is_matched() -> None:
    """Paused keeps what comes."""
    row = row_of(subscription(status="paused"), appended_at=5)

    assert row is not None
    assert row.is_enabled


def test_a_record_without_enabled_at_was_enabled_when_it_was_appended() -> None:
    """A number stands for an earlier record that enabled it."""
    now = row_of(subscription(enabled_at=None), appended_at=5)
    before = row_of(subscription(enabled_at=3), appended_at=5)

    assert now is not None
    assert before is not None
    assert (now.enabled_at, before.enabled_at) == (5, 3)


def test_a_deleted_record_has_no_row() -> None:
    """It matches nothing from then on."""
    assert row_of(subscription(deleted=True), appended_at=5) is None


def test_an_audience_is_remembered_for_a_few_types() -> None:
    """It says at once whether its rows have to be looked at one by one."""
    rows = [
        Row("one", 0, True, 5, ("order.*",)),
        Row("two", 0, True, 7, ("order.paid",), NOTHING),
    ]
    index = SubscriberIndex(rows)

    paid = index.audience("order.paid")

    assert (set(paid.rows), paid.enabled_at_max, paid.has_filters) == (set(rows), 7, True)
    assert index.audience("order.sent") == ((rows[0],), 5, False)
    assert index.audience("order.paid") is paid
    for number in range(AUDIENCES_MAX):
        assert index.audience(f"other.{number}") == ((), 0, False)
    assert index.audience("order.paid") == paid
    assert index.audience("order.paid") is not paid
