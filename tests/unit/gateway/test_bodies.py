"""The shape of subscriptions as clients send them."""

from typing import cast

import pytest

from gateway.bodies import SubscriptionBody, filter_errors, parse_subscription, unexpected_members
from gateway.documents import JsonValue

URL = "https://example.com/hook"


def pointers(members: dict[str, object]) -> list[str]:
    """Give the places that are refused."""
    outcome = parse_subscription(cast("dict[str, JsonValue]", {"url": URL, **members}))
    return [] if isinstance(outcome, SubscriptionBody) else [error.pointer for error in outcome]


def test_only_the_url_is_needed() -> None:
    """Everything else has the default of the contract."""
    body = parse_subscription({"url": URL})

    assert isinstance(body, SubscriptionBody)
    assert body.model_dump() == {
        "url": URL,
        "event_types": ["*"],
        "headers": {},
        "description": None,
        "metadata": {},
        "secret": None,
        "signature": "v1",
        "ordering": "strict",
        "retry": {
            "schedule_s": [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
            "max_age_s": 518400,
        },
        "rate_limit": None,
        "filter": None,
        "max_in_flight": 8,
        "timeout_s": 15.0,
        "format": "binary",
        "status": "active",
    }


@pytest.mark.parametrize(
    "members",
    [
        {"event_types": ["*"]},
        {"event_types": ["order.*", "order.paid", "a" * 256, "a" * 254 + ".*"]},
        {"event_types": ["x"] * 100},
        {"headers": {f"X-{n}": "v" for n in range(20)}},
        {"headers": {"Authorization": "Bearer abc", "x": ""}},
        {"headers": {"X": "a" * 4096}},
        {"description": "a" * 1024},
        {"metadata": {f"k{n}": "v" * 500 for n in range(50)}},
        {"ordering": "none", "format": "structured", "signature": "v1a", "status": "paused"},
        {"retry": {"schedule_s": []}},
        {"retry": {"schedule_s": [0.1, 86400] * 12, "max_age_s": 60}},
        {"rate_limit": {"per_second": 0.5}},
        {"rate_limit": {"per_second": 5, "burst": 1}},
        {"max_in_flight": 1},
        {"timeout_s": 1},
        {"timeout_s": 2.5},
        {"timeout_s": 30.0},
    ],
)
def test_what_lies_within_the_limits_is_taken(members: dict[str, object]) -> None:
    """The limits themselves belong to the allowed."""
    assert pointers(members) == []


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"url": 1}, "/url"),
        ({"event_types": []}, "/event_types"),
        ({"event_types": "*"}, "/event_types"),
        ({"event_types": ["x"] * 101}, "/event_types"),
        ({"event_types": ["order*"]}, "/event_types/0"),
        ({"event_types": ["*.paid"]}, "/event_types/0"),
        ({"event_types": ["a", ".*"]}, "/event_types/1"),
        ({"event_types": ["a.**"]}, "/event_types/0"),
        ({"event_types": ["a b"]}, "/event_types/0"),
        ({"event_types": [""]}, "/event_types/0"),
        ({"event_types": ["a" * 257]}, "/event_types/0"),
        ({"event_types": [None]}, "/event_types/0"),
        ({"headers": {f"X-{n}": "v" for n in range(21)}}, "/headers"),
        ({"headers": {"Host": "x"}}, "/headers/Host"),
        ({"headers": {"webhook-id": "x"}}, "/headers/webhook-id"),
        ({"headers": {"X-Forwarded-For": "x"}}, "/headers/X-Forwarded-For"),
        ({"headers": {"Transfer-Encoding": "x"}}, "/headers/Transfer-Encoding"),
        ({"headers": {"a b": "x"}}, "/headers/a b"),
        ({"headers": {"": "x"}}, "/headers/"),
        ({"headers": {"X:": "x"}}, "/headers/X:"),
        ({"headers": {"X": "a\r\nb: c"}}, "/headers/X"),
        ({"headers": {"X": "a\x00"}}, "/headers/X"),
        ({"headers": {"X": "é"}}, "/headers/X"),
        ({"headers": {"X": "a" * 4097}}, "/headers/X"),
        ({"headers": {"X": None}}, "/headers/X"),
        ({"headers": {"X": "1", "x": "2"}}, "/headers/x"),
        ({"description": "a" * 1025}, "/description"),
        ({"metadata": {f"k{n}": "" for n in range(51)}}, "/metadata"),
        ({"metadata": {"k": "v" * 501}}, "/metadata/k"),
        ({"metadata": {"k": 1}}, "/metadata/k"),
        ({"metadata": {"": "v"}}, "/metadata/"),
        ({"metadata": []}, "/metadata"),
        ({"ordering": "fifo"}, "/ordering"),
        ({"signature": "v2"}, "/signature"),
        ({"format": "xml"}, "/format"),
        ({"status": "deleted"}, "/status"),
        ({"retry": {"schedule_s": [0.09]}}, "/retry/schedule_s/0"),
        ({"retry": {"schedule_s": [86401]}}, "/retry/schedule_s/0"),
        ({"retry": {"schedule_s": [1] * 25}}, "/retry/schedule_s"),
        ({"retry": {"max_age_s": 59}}, "/retry/max_age_s"),
        ({"retry": {"max_age_s": 518401}}, "/retry/max_age_s"),
        ({"retry": {"max_age_s": 60.5}}, "/retry/max_age_s"),
        ({"retry": {"backoff": 2}}, "/retry/backoff"),
        ({"rate_limit": {}}, "/rate_limit/per_second"),
        ({"rate_limit": {"per_second": 0}}, "/rate_limit/per_second"),
        ({"rate_limit": {"per_second": 1, "burst": 0}}, "/rate_limit/burst"),
        ({"max_in_flight": 0}, "/max_in_flight"),
        ({"max_in_flight": "8"}, "/max_in_flight"),
        ({"max_in_flight": True}, "/max_in_flight"),
        ({"timeout_s": 0.9}, "/timeout_s"),
        ({"timeout_s": 31}, "/timeout_s"),
        ({"timeout_s": True}, "/timeout_s"),
        ({"secret": 5}, "/secret"),
    ],
)
def test_what_lies_outside_is_named(members: dict[str, object], expected: str) -> None:
    """One wrong field is one error, with its place."""
    assert pointers(members) == [expected]


def test_a_missing_url_is_named() -> None:
    """The message says what to do, not what pydantic calls it."""
    errors = parse_subscription({})

    assert not isinstance(errors, SubscriptionBody)
    assert [(e.pointer, e.detail) for e in errors] == [("/url", "this field is required")]


def test_messages_do_not_repeat_values() -> None:
    """A secret in the wrong field must not come back, nor reach a log."""
    errors = parse_subscription(
        {"url": URL, "format": "hunter2", "headers": {"X": "hunter2\n"}, "max_in_flight": "hunter2"}
    )

    assert not isinstance(errors, SubscriptionBody)
    assert "hunter2" not in repr(errors)


def test_unknown_and_read_only_members_are_told_apart() -> None:
    """A client that sends back what it read learns which fields are not its own."""
    errors = unexpected_members({"url": URL, "filter": None, "version": 3, "colour": "red"})

    assert [(error.pointer, error.detail) for error in errors] == [
        ("/version", "this field is read-only"),
        ("/colour", "there is no such field"),
    ]


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        (None, []),
        ({}, []),
        ({"data.amount": {"$gte": 100}}, []),
        ([], ["/filter"]),
        ({"data.a": {"$regex": "x"}}, ["/filter/data.a/$regex"]),
    ],
)
def test_a_filter_is_judged_by_its_engine(document: object, pointers: list[str]) -> None:
    """Pointers lead to the operator that is wrong."""
    assert [error.pointer for error in filter_errors(document)] == pointers
