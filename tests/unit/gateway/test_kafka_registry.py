"""The registry's pure parts; its work against Kafka is in tests/integration/test_gateway.py."""

import pytest

from chassis.vault import Vault
from gateway.kafka_registry import encode_change, encode_removal, readable, unseal
from gateway.registry import Removal
from gateway.subscriptions import Change
from schemas.api_keys import ApiKeyRecord, api_key_key
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


def test_a_key_that_nobody_could_read_is_not_written() -> None:
    """The same for records that seal nothing."""
    with pytest.raises(TypeError):
        readable(api_key_key("key_1"), b"{}", ApiKeyRecord)
    with pytest.raises(TypeError):
        readable(KEY, b"{}", ApiKeyRecord)


def test_a_removal_ends_with_the_subscriber_itself() -> None:
    """Whoever reads a part of it never sees a subscription of nobody."""
    gone = Change(raw_record("sub_1", deleted=True), SEALED)

    writes = encode_removal("acme", Removal({"subscriber": "acme"}, [gone]), VAULT)

    assert [key for key, _ in writes] == [KEY, b"acme/subscriber/acme"]
