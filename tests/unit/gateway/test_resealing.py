"""What a new vault key makes of a record that an older one sealed."""

from typing import Any

import orjson
import pytest

from chassis.vault import Vault
from gateway.kafka_registry import encode_change, unseal
from gateway.registry import Stored
from gateway.resealing import Seal, SealState, resealed, seal_of
from gateway.subscriptions import Change
from schemas.registry import SubscriptionRecord, decode_subscription
from tests.contract.gateway import SEALED, raw_record

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
BOTH = Vault([NEW, OLD])


def stored(
    keys: tuple[str, bytes] = OLD, *, appended_at: int | None = 77, **fields: Any
) -> tuple[bytes, Stored[SubscriptionRecord]]:
    """Make the record of `sub_1` as an older gateway wrote it."""
    change = Change(raw_record("sub_1", **fields), SEALED)
    key, value, record = encode_change(change, Vault([keys]))
    return key, Stored(record, value, appended_at)


def test_the_older_seal_is_replaced_and_nothing_else_changes() -> None:
    """Version and fields of a later release stay, so no ETag breaks; the new key alone opens it."""
    key, before = stored(version=4, enabled_at=5, later={"field": 1})

    value = resealed(key, before, BOTH)

    assert value is not None
    after = decode_subscription(value)
    assert isinstance(after, SubscriptionRecord)
    assert unseal(Vault([NEW]), key, after.sealed) == SEALED
    assert orjson.loads(value) | {"sealed": ""} == before.raw() | {"sealed": ""}
    assert resealed(key, Stored(after, value), BOTH) is None


def test_the_moment_of_enabling_is_kept() -> None:
    """Null means the append time of the record, and this is a new record."""
    key, before = stored(enabled_at=None)

    value = resealed(key, before, BOTH)

    assert value is not None
    assert orjson.loads(value)["enabled_at"] == 77


def test_what_a_deleted_one_sealed_is_erased() -> None:
    """Nobody opens it again; so the older key may go at once."""
    key, before = stored(deleted=True)

    value = resealed(key, before, BOTH)

    assert value is not None
    assert orjson.loads(value)["sealed"] == ""
    again = decode_subscription(value)
    assert isinstance(again, SubscriptionRecord)
    assert resealed(key, Stored(again, value), BOTH) is None


@pytest.mark.parametrize(
    ("keys", "fields", "seal"),
    [
        (NEW, {}, Seal(SealState.CURRENT, "new")),
        (OLD, {}, Seal(SealState.OLDER, "old")),
        (("lost", b"l" * 32), {}, Seal(SealState.CLOSED, "lost")),
        (("old", b"x" * 32), {}, Seal(SealState.CLOSED)),
        (OLD, {"deleted": True}, Seal(SealState.DELETED)),
    ],
)
def test_a_seal_is_judged(keys: tuple[str, bytes], fields: dict[str, Any], seal: Seal) -> None:
    """What no key opens is left alone and told, never overwritten."""
    key, before = stored(keys, **fields)

    assert seal_of(key, before.record, BOTH) == seal
    if seal.state in {SealState.CURRENT, SealState.CLOSED}:
        assert resealed(key, before, BOTH) is None


@pytest.mark.parametrize("text", ["", "??", "AAAA"])
def test_a_damaged_seal_is_closed(text: str) -> None:
    """It is our fault or an attacker's, and no reason to stop."""
    record = decode_subscription(orjson.dumps(raw_record("sub_1", sealed=text)))

    assert isinstance(record, SubscriptionRecord)
    assert seal_of(b"k", record, BOTH) == Seal(SealState.CLOSED)
