"""Rotation of signing secrets."""

import base64
from typing import Any, cast

import msgspec
import pytest

from chassis.egress import EgressPolicy
from gateway.documents import JsonValue
from gateway.problems import Code, Problem
from gateway.rotation import rotate
from gateway.subscriptions import Change, Current, Rules, secret_view
from schemas.registry import PreviousSecret, SealedFields, SubscriptionRecord
from tests.contract.gateway import raw_record

NOW_MS = 1_767_225_600_000
FRESH = "whsec_" + base64.b64encode(b"\x07" * 32).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
MINE = "whsec_" + base64.b64encode(b"m" * 24).decode()
RULES = Rules(EgressPolicy(), lambda count: b"\x07" * count)


def current_of(*previous: PreviousSecret, secret: str = OLD, **fields: Any) -> Current:
    """Give a subscription that signs with OLD."""
    raw = raw_record("sub_1", sealed="", **fields)
    sealed = SealedFields(
        url="https://example.com/", headers={"X-A": "b"}, secret=secret, previous=[*previous]
    )
    return Current(msgspec.convert(raw, SubscriptionRecord), raw, sealed, 7)


def rotated(current: Current, now_ms: int = NOW_MS, **members: object) -> Change | Problem:
    """Rotate."""
    return rotate(current, cast("dict[str, JsonValue]", members), RULES, now_ms=now_ms)


def sealed_of(change: Change | Problem) -> SealedFields:
    """Give what is sealed after a rotation that must be good."""
    assert isinstance(change, Change), change
    assert change.sealed is not None
    return change.sealed


def test_both_sign_for_a_day_by_default() -> None:
    """Everything else that is sealed stays; the version moves on."""
    change = rotated(current_of())

    sealed = sealed_of(change)
    assert isinstance(change, Change)
    assert (sealed.url, sealed.headers, sealed.secret) == (
        "https://example.com/",
        {"X-A": "b"},
        FRESH,
    )
    assert sealed.previous == [PreviousSecret(OLD, NOW_MS + 86_400_000)]
    assert (change.record["version"], change.record["enabled_at"]) == (2, 7)
    assert secret_view(sealed, now_ms=NOW_MS) == {
        "secret": FRESH,
        "previous": {"secret": OLD, "expires_at": "2026-01-02T00:00:00.000Z"},
    }


def test_without_grace_the_old_one_is_forgotten_at_once() -> None:
    """For a secret that has leaked."""
    sealed = sealed_of(rotated(current_of(), grace_s=0, secret=MINE))

    assert (sealed.secret, sealed.previous) == (MINE, [])


def test_one_whose_grace_is_over_is_forgotten() -> None:
    """To the millisecond; others go on."""
    over, alive = PreviousSecret("whsec_a", NOW_MS), PreviousSecret("whsec_b", NOW_MS + 1)

    sealed = sealed_of(rotated(current_of(over, alive), grace_s=60))

    assert sealed.previous == [PreviousSecret(OLD, NOW_MS + 60_000), alive]


def test_going_back_to_an_old_one_is_possible() -> None:
    """It is then not an old one as well."""
    sealed = sealed_of(rotated(current_of(PreviousSecret(MINE, NOW_MS + 5)), secret=MINE))

    assert sealed.secret == MINE
    assert [one.secret for one in sealed.previous] == [OLD]


def test_five_secrets_sign_at_most_but_a_leak_can_always_be_closed() -> None:
    """The header stays short, and nothing that was promised to sign is dropped."""
    alive = [PreviousSecret(f"whsec_{n}", NOW_MS + 1_000) for n in range(4)]

    refused = rotated(current_of(*alive))
    closed = rotated(current_of(*alive), grace_s=0)

    assert isinstance(refused, Problem)
    assert refused.code is Code.CONFLICT
    assert sealed_of(closed).previous == alive
    assert isinstance(rotated(current_of(*alive[1:])), Change)


def test_the_new_one_is_of_the_same_kind() -> None:
    """Receivers verify with what they have; the kind is changed by PATCH."""
    asymmetric = current_of(signature="v1a", secret="whsk_" + base64.b64encode(b"s" * 32).decode())

    assert sealed_of(rotated(asymmetric)).secret.startswith("whsk_")
    assert isinstance(rotated(asymmetric, secret=MINE), Problem)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"secret": "x"}, "/secret"),
        ({"secret": OLD}, "/secret"),
        ({"secret": 5}, "/secret"),
        ({"grace_s": -1}, "/grace_s"),
        ({"grace_s": 604_801}, "/grace_s"),
        ({"grace_s": 1.5}, "/grace_s"),
        ({"graces": 1}, "/graces"),
    ],
)
def test_a_wrong_field_names_itself(members: dict[str, Any], pointer: str) -> None:
    """And the problem never repeats a secret."""
    problem = rotated(current_of(), **members)

    assert isinstance(problem, Problem)
    assert [error.pointer for error in problem.errors] == [pointer]
    assert OLD not in repr(problem)
