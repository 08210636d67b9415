"""What happens to subscribers."""

from typing import cast

import msgspec
import pytest

from gateway.documents import JsonValue
from gateway.problems import Problem
from gateway.subscribers import (
    SubscriberBody,
    deleted,
    parse_subscriber,
    put_subscriber,
    subscriber_view,
    subscriptions_max,
    with_quota_of,
)
from schemas.subscribers import SubscriberRecord

NOW_MS = 1_767_225_600_000


def record_of(**members: object) -> SubscriberRecord:
    """Make a record as readers see it."""
    body = parse_subscriber(cast("dict[str, JsonValue]", members))
    assert isinstance(body, SubscriberBody), body
    raw = put_subscriber(body, subscriber="acme", current=None, version=1, now_ms=NOW_MS)
    return msgspec.convert(raw, SubscriberRecord)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"name": "x" * 201}, "/name"),
        ({"metadata": {"a": 1}}, "/metadata/a"),
        ({"quota": {"subscriptions": 5}}, "/quota/events_per_second"),
        ({"quota": {"events_per_second": 1, "subscriptions": 1_001}}, "/quota/subscriptions"),
        ({"subscriber": "acme"}, "/subscriber"),
    ],
)
def test_a_wrong_field_names_itself(members: dict[str, object], pointer: str) -> None:
    """Unknown ones too."""
    problem = parse_subscriber(cast("dict[str, JsonValue]", members))

    assert isinstance(problem, Problem)
    assert [error.pointer for error in problem.errors] == [pointer]


def test_a_subscriber_is_shown_as_it_was_put() -> None:
    """With the number of its subscriptions."""
    quota = {"events_per_second": 5, "burst": None, "subscriptions": 3}
    record = record_of(name="Acme", metadata={"a": "b"}, quota=quota)

    assert subscriber_view("acme", record, subscriptions=2) == {
        "subscriber": "acme",
        "name": "Acme",
        "metadata": {"a": "b"},
        "quota": quota,
        "subscriptions": 2,
        "version": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }


def test_one_without_a_record_has_version_zero() -> None:
    """It is there because of its subscriptions."""
    shown = subscriber_view("acme", None, subscriptions=2)

    assert (shown["version"], shown["quota"], shown["created_at"]) == (0, None, None)


def test_the_number_of_subscriptions_is_a_quota() -> None:
    """A thousand unless said otherwise."""
    limited = record_of(quota={"events_per_second": 5, "subscriptions": 0})

    assert subscriptions_max(None) == 1_000
    assert subscriptions_max(record_of(quota={"events_per_second": 5})) == 1_000
    assert subscriptions_max(limited) == 0


def test_a_deleted_record_goes_on_with_its_version() -> None:
    """Made again it must not bear an ETag that somebody has seen."""
    raw = deleted({"version": 3, "later": 1}, version=4, now_ms=NOW_MS)

    assert (raw["version"], raw["deleted"], raw["later"]) == (4, True, 1)


@pytest.mark.parametrize(
    ("asked", "current", "expected"),
    [
        (None, None, {"quota": None}),
        (None, {"quota": {"burst": 1}}, {"quota": {"burst": 1}}),
        ({"burst": 1}, {"quota": {"burst": 1}}, {"quota": {"burst": 1}}),
        ({"burst": 2}, {"quota": {"burst": 1}}, None),
        ({"burst": 2}, None, None),
    ],
)
def test_nobody_changes_the_quota_that_limits_him(
    asked: object, current: dict[str, object] | None, expected: dict[str, object] | None
) -> None:
    """Leaving it out keeps it, too."""
    assert with_quota_of({"quota": asked}, current) == expected
