"""What happens to API keys."""

from typing import cast

import msgspec
import pytest

from gateway.api_keys import KeyBody, create_key, key_view, make_token, parse_key, revoke_key
from gateway.auth import ROOT, Principal
from gateway.documents import JsonValue
from gateway.problems import Code, Problem
from schemas.api_keys import ApiKeyRecord

NOW_MS = 1_767_225_600_000
GOOD: dict[str, object] = {"name": "orders", "scopes": ["events:write"]}
BOUND = Principal(key_id="key_0", scopes=frozenset({"admin"}), subscriber="acme")


def parsed(members: dict[str, object], maker: Principal = ROOT) -> KeyBody | Problem:
    """Judge a body."""
    return parse_key(cast("dict[str, JsonValue]", members), maker, now_ms=NOW_MS)


def record_of(**members: object) -> ApiKeyRecord:
    """Make a record as readers see it."""
    body = parsed({**GOOD, **members})
    assert isinstance(body, KeyBody), body
    return msgspec.convert(
        create_key(body, key_id="key_1", token="hlk_key_1_x", now_ms=NOW_MS), ApiKeyRecord
    )


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": None}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"subscriber": "$keys"}, "/subscriber"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "/expires_at"),
        ({"quota": {}}, "/quota/events_per_second"),
        ({"quota": {"events_per_second": 0}}, "/quota/events_per_second"),
        ({"quota": {"events_per_second": 1, "burst": 0}}, "/quota/burst"),
        ({"key": "mine"}, "/key"),
    ],
)
def test_a_wrong_field_names_itself(members: dict[str, object], pointer: str) -> None:
    """Nobody chooses a key, nobody makes one that is expired already."""
    problem = parsed({**GOOD, **members})

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    assert [error.pointer for error in problem.errors] == [pointer]


def test_a_bound_key_makes_keys_for_its_own_subscriber_only() -> None:
    """Also when it names none; others do not exist for it."""
    own = parsed(GOOD, BOUND)
    foreign = parsed({**GOOD, "subscriber": "globex"}, BOUND)

    assert isinstance(own, KeyBody)
    assert own.subscriber == "acme"
    assert isinstance(foreign, Problem)
    assert foreign.code is Code.NOT_FOUND


def test_a_key_is_shown_as_it_was_asked_for_and_without_its_secret() -> None:
    """Nothing of the digest either; repeated scopes count once."""
    record = record_of(
        scopes=["replay", "replay"],
        subscriber="acme",
        expires_at="2027-01-01T00:00:00Z",
        quota={"events_per_second": 5, "burst": 9},
    )

    assert key_view(record) == {
        "id": "key_1",
        "name": "orders",
        "scopes": ["replay"],
        "subscriber": "acme",
        "expires_at": "2027-01-01T00:00:00.000Z",
        "quota": {"events_per_second": 5, "burst": 9},
        "version": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
    }


def test_a_token_has_the_id_in_front_and_all_random_bits_behind() -> None:
    """256 bits are 52 characters of base32."""
    token = make_token("key_1", b"\xff" * 32)

    assert token.startswith("hlk_key_1_")
    assert len(token) == len("hlk_key_1_") + 52
    assert token != make_token("key_1", b"\xff" * 31 + b"\xfe")


def test_a_revoked_record_keeps_fields_of_the_future() -> None:
    """A later version of hooklane may have written them."""
    record = record_of()

    raw = revoke_key({**msgspec.to_builtins(record), "later": 1}, record, now_ms=NOW_MS)

    assert (raw["deleted"], raw["version"], raw["later"]) == (True, 2, 1)
