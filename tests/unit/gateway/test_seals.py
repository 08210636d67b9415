"""Which subscriptions no vault key opens."""

from typing import Any

import orjson

from gateway.kafka_registry import encode_change
from gateway.registry_rows import Row, decode_row
from gateway.seals import Seals
from gateway.subscriptions import Change
from schemas.registry import registry_key
from schemas.subscribers import subscriber_key
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.deliverer import silent_log
from tests.fakes.gateway import VAULT


def row_of(name: str, **fields: Any) -> tuple[bytes, Row]:
    """Make a subscription that is sealed with the key `k1`."""
    key, value, _ = encode_change(Change(raw_record(name, **fields), SEALED), VAULT)
    return key, decode_row(key, value)


def test_a_missing_key_is_counted_and_told_once() -> None:
    """A whole key that was taken away too early must not fill the log."""
    log, said = silent_log()
    seals = Seals(frozenset({"k2"}), log)

    seals.note(*row_of("sub_1"))
    seals.note(*row_of("sub_2"))
    seals.note(*row_of("sub_2"))

    assert seals.closed == 2
    assert [(one["event"], one["vault_key"]) for one in said.entries] == [
        ("registry.vault_closed", "k1")
    ]


def test_it_follows_what_happens_to_a_subscription() -> None:
    """Sealed again, deleted or forgotten: it is no alarm any more."""
    seals = Seals(frozenset({"k2"}), silent_log()[0])
    for name in ("sub_1", "sub_2", "sub_3"):
        seals.note(*row_of(name))

    seals.note(*row_of("sub_1", deleted=True))
    seals.note(registry_key("acme", "subscription", "sub_2"), None)

    assert seals.closed == 1


def test_what_opens_is_no_alarm() -> None:
    """Nor is a record that seals nothing, while one that names no key at all is."""
    seals = Seals(frozenset({"k1"}), silent_log()[0])
    seals.note(*row_of("sub_1"))
    seals.note(subscriber_key("acme"), None)
    assert seals.closed == 0

    key, _ = row_of("sub_2")
    seals.note(key, decode_row(key, orjson.dumps(raw_record("sub_2", sealed="??"))))
    assert seals.closed == 1
