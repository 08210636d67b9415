"""The registry's pure parts; its work against Kafka is in tests/integration/test_gateway.py."""

import orjson
import pytest

from chassis.vault import Vault
from gateway.kafka_registry import (
    SubscriptionIndex,
    decode_row,
    encode_change,
    unseal,
)
from gateway.subscriptions import Change
from schemas.registry import SubscriptionRecord, registry_key
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.gateway import VAULT

KEY = registry_key("acme", "subscription", "sub_1")


def record_of(*, deleted: bool = False) -> SubscriptionRecord:
    """Make a record of `sub_1`."""
    _, _, record = encode_change(Change(raw_record("sub_1", deleted=deleted), SEALED), VAULT)
    return record


def test_the_url_and_the_secrets_are_not_readable_in_the_topic() -> None:
    """P8: no secret in any topic in clear."""
    key, value, record = encode_change(Change(raw_record("sub_1"), SEALED), VAULT)

    assert key == KEY
    assert b"example.com" not in value
    assert b"whsec_" not in value
    assert unseal(VAULT, key, record.sealed) == SEALED


@pytest.mark.parametrize("sealed", ["", "!", "AAAA", "Zm9v"])
def test_a_broken_seal_opens_nothing(sealed: str) -> None:
    """The subscription is shown with the reason `vault`, nothing fails."""
    assert unseal(VAULT, KEY, sealed) is None


def test_a_foreign_key_opens_nothing() -> None:
    """Neither another vault key nor another record."""
    sealed = record_of().sealed

    assert unseal(Vault([("k2", b"z" * 32)]), KEY, sealed) is None
    assert unseal(VAULT, registry_key("acme", "subscription", "sub_2"), sealed) is None


def test_a_record_that_nobody_could_read_is_not_written() -> None:
    """A bug here must not reach the topic."""
    with pytest.raises(TypeError):
        encode_change(Change(raw_record("sub_1", ordering="fifo"), SEALED), VAULT)


def test_rows_of_other_kinds_are_passed_over() -> None:
    """Keys and event types come with the management API."""
    assert decode_row(b"acme/subscriber/acme", b"not json") is None
    assert decode_row(b"junk", b"") is None


def test_a_subscription_that_cannot_be_read_is_told_to_the_table() -> None:
    """It keeps the last good one and alarms."""
    with pytest.raises(ValueError, match="cannot be read"):
        decode_row(KEY, b"{}")


def test_a_subscription_is_read_with_its_bytes() -> None:
    """The bytes are what a writer edits."""
    value = orjson.dumps(raw_record("sub_1", sealed="", later=1))

    row = decode_row(KEY, value)

    assert row is not None
    assert (row.record.id, row.value) == ("sub_1", value)


def test_the_index_follows_the_table() -> None:
    """Repeats, deletions and tombstones in any order leave it right and empty at the end."""
    index = SubscriptionIndex()

    index.note(KEY, record_of())
    index.note(KEY, record_of())
    index.note(registry_key("acme", "subscriber", "acme"), None)
    assert list(index.ids_of("acme")) == ["sub_1"]

    index.note(KEY, record_of(deleted=True))
    index.note(KEY, None)
    assert list(index.ids_of("acme")) == []

    index.note(KEY, record_of())
    index.note(KEY, None)
    assert index._ids == {}
