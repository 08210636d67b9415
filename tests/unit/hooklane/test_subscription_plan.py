"""What must change, decided without a network."""

from pathlib import Path
from typing import Any

import pytest

from hooklane.subscription_file import Resolver, Wanted, parse_file
from hooklane.subscription_plan import (
    HEADERS_MARK,
    NAME_MARK,
    OWNER_MARK,
    Action,
    Live,
    fingerprint,
    is_secret_needed,
    plan_one,
    plan_prune,
)

SECRET = "whsec_" + "QUJD" * 8


def wanted(extra: str = "", **variables: str) -> Wanted:
    """Read one entry of a file."""
    text = f"subscriptions: [{{subscriber: acme, name: n, url: 'https://e.com/h'{extra}}}]"
    return parse_file(text.encode(), Resolver(variables, Path()), "f").subscriptions[0]


def live(like: Wanted, secret: str | None = SECRET, **changed: Any) -> Live:
    """Give what the gateway would show after applying `like`."""
    headers: Any = like.fields["headers"]
    metadata: Any = like.fields["metadata"]
    marks = {OWNER_MARK: "o", NAME_MARK: like.name}
    if headers:
        marks[HEADERS_MARK] = fingerprint(headers, secret or "")
    view = {
        **like.fields, "id": "sub_1", "subscriber": "acme", "version": 3,
        "status_reason": None, "headers": dict.fromkeys(headers, "***"),
        "metadata": {**metadata, **marks},
    }  # fmt: skip
    return Live({**view, **changed}, secret)


def update(entry: Wanted, state: Live) -> Action:
    """Plan, with the version that was seen."""
    action = plan_one(entry, state, "o")
    assert action.kind in {"update", "keep"}
    assert action.version == 3
    return action


@pytest.mark.parametrize(
    "extra",
    [
        "",
        ", headers: {x-a: b}",
        ", event_types: [a.b], metadata: {k: v}",
        ", rate_limit: {per_second: 2}, filter: {type: t}",
    ],
)
def test_what_is_as_wanted_is_left_alone(extra: str) -> None:
    """No request, no line."""
    entry = wanted(extra)

    action = update(entry, live(entry))

    assert (action.kind, action.body, action.changes) == ("keep", {}, [])


def test_drift_is_turned_back() -> None:
    """A field that somebody set by the API, and that the file leaves out, gets its default."""
    action = update(wanted(), live(wanted(), ordering="none", max_in_flight=2))

    assert action.body == {"ordering": "strict", "max_in_flight": 8}
    assert [(c.field, c.before, c.after) for c in action.changes] == [
        ("ordering", "none", "strict"),
        ("max_in_flight", 2, 8),
    ]


def test_a_disabled_subscription_stays_disabled() -> None:
    """The product disabled it because it is gone; a file that says nothing must not undo that."""
    state = live(wanted(), status="disabled", status_reason="gone")

    silent = update(wanted(), state)
    explicit = update(wanted(", status: active"), state)

    assert silent.kind == "keep"
    assert "disabled (gone)" in silent.note
    assert explicit.body == {"status": "active"}


def test_header_values_are_compared_by_fingerprint_and_never_shown() -> None:
    """The gateway masks them; a changed value is seen all the same."""
    old, new = wanted(", headers: {x-a: old-value}"), wanted(", headers: {x-a: new-value}")

    action = update(new, live(old))

    assert action.body["headers"] == {"x-a": "new-value"}
    assert "-value" not in str(action.changes)
    assert action.body["metadata"] == {HEADERS_MARK: fingerprint({"x-a": "new-value"}, SECRET)}


def test_a_removed_header_is_null() -> None:
    """As merge patch wants it."""
    action = update(wanted(), live(wanted(", headers: {x-a: b}")))

    assert action.body["headers"] == {"x-a": None}
    assert action.body["metadata"] == {HEADERS_MARK: None}


def test_a_new_secret_is_rotated_not_replaced() -> None:
    """So the old one signs on for the grace time; the mark of the headers follows it."""
    old = wanted(", headers: {x-a: b}")
    new = wanted(", headers: {x-a: b}, secret: {env: S}", S="whsec_" + "REVG" * 8)

    action = update(new, live(old))

    assert action.new_secret == "whsec_" + "REVG" * 8
    assert "secret" not in action.body
    assert "REVG" not in str(action.changes)
    assert action.body["metadata"] == {HEADERS_MARK: fingerprint({"x-a": "b"}, action.new_secret)}


def test_another_signature_needs_its_secret_in_the_same_step() -> None:
    """A rotation cannot change the kind of a secret."""
    new = wanted(", signature: v1a, secret: {env: S}", S="whsk_" + "QUJD" * 10 + "QUI=")

    action = update(new, live(wanted()))

    assert action.new_secret is None
    assert action.body == {"signature": "v1a", "secret": new.secret}


def test_a_part_of_an_object_is_shown_alone() -> None:
    """Not nine delays when the age changed."""
    action = update(wanted(", retry: {max_age_s: 60}"), live(wanted()))

    assert [change.field for change in action.changes] == ["retry.max_age_s"]


def test_creation_says_what_the_file_says() -> None:
    """Defaults are left to the gateway; the marks are there from the start."""
    entry = wanted(", headers: {x-a: b}, secret: {env: S}", S=SECRET)

    action = plan_one(entry, None, "o")

    assert action.kind == "create"
    assert set(action.body) == {"url", "headers", "secret", "metadata"}
    assert action.body["metadata"] == {
        OWNER_MARK: "o", NAME_MARK: "n", HEADERS_MARK: fingerprint({"x-a": "b"}, SECRET),
    }  # fmt: skip
    assert SECRET not in str(action.changes)


def test_only_ones_own_are_pruned() -> None:
    """API-made ones and those of other owners are never touched."""
    mine, kept = wanted(), wanted()
    marks = {OWNER_MARK: "o", NAME_MARK: "gone"}
    lives = [
        live(kept),
        live(mine, metadata=marks, id="sub_2"),
        live(mine, metadata={**marks, OWNER_MARK: "somebody"}, id="sub_3"),
        live(mine, metadata={"made-by": "api"}, id="sub_4"),
    ]

    actions = plan_prune("o", [kept], lives)

    assert [(one.kind, one.subscription, one.version) for one in actions] == [
        ("delete", "sub_2", 3)
    ]


def test_the_secret_is_asked_for_only_where_it_tells() -> None:
    """Without headers and secret nothing is masked."""
    assert not is_secret_needed(wanted())
    assert is_secret_needed(wanted(", headers: {x-a: b}"))


def test_fingerprints_tell_sets_apart_and_ignore_order_and_case() -> None:
    """Names of headers ignore case; another secret gives another print."""
    one = fingerprint({"X-A": "1", "b": "2"}, SECRET)

    assert one == fingerprint({"b": "2", "x-a": "1"}, SECRET)
    assert one != fingerprint({"X-A": "2", "b": "1"}, SECRET)
    assert one != fingerprint({"X-A": "1", "b": "2"}, "whsec_other")
