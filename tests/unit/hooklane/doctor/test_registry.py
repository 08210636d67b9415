"""Tests of what is said of the registry's contents."""

import base64

from chassis.vault import Vault
from hooklane.doctor.registry import Contents, judge
from schemas.registry import registry_key
from tests.unit.fanout.events import document

VAULT = Vault([("k1", b"k" * 32)])
KEY = registry_key("acme", "subscription", "sub_1")


def _contents(**records: bytes | None) -> Contents:
    contents = Contents(is_whole=True)
    for name, value in records.items():
        contents.take(registry_key("acme", "subscription", name), value, 5)
    return contents


def test_the_last_record_of_a_key_counts() -> None:
    """And a tombstone ends it."""
    contents = _contents(a=b"1", b=b"2")
    contents.take(registry_key("acme", "subscription", "a"), None, 9)
    contents.take(None, b"x", 7)

    assert (list(contents.values.values()), contents.newest_ms) == ([b"2"], 9)


def test_what_is_deleted_needs_no_key() -> None:
    """Nothing will be sent for it."""
    findings = judge(_contents(sub_1=document("sub_1", sealed="AA==", deleted=True)), VAULT)

    assert [(one.check, one.status) for one in findings] == [("registry", "ok"), ("vault", "ok")]


def test_damage_is_counted() -> None:
    """A record that is none, a sealed part that is none, a sealed part of another record."""
    moved = base64.b64encode(VAULT.seal(b"{}", aad=b"another")).decode()
    contents = _contents(a=b"{", b=document("b", sealed="!"), c=document("c", sealed=moved))
    findings = judge(contents, VAULT)

    assert [(one.check, one.status) for one in findings] == [
        ("registry", "ok"),
        ("registry records", "fail"),
        ("vault", "fail"),
    ]
    assert findings[2].seen.startswith("2 subscriptions do not open")


def test_a_part_is_not_taken_for_the_whole() -> None:
    """Said, and without keys nothing is claimed of the vault."""
    findings = judge(Contents(), None)

    assert [one.status for one in findings] == ["warn", "skip"]
