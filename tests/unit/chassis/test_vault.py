"""Sealing: round trip, binding to the record, rotation, damage."""

import base64
import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.vault import Tampered, UnknownKey, Vault, parse_keys, sealing_key

OLD, NEW = ("2023", b"o" * 32), ("2024", b"n" * 32)
AAD = b"acme/subscription/sub_1"


def _fixed_nonce(count: int) -> bytes:
    return bytes(range(count))


def test_a_sealed_value_opens_with_its_record() -> None:
    """What goes in comes out, also nothing at all."""
    vault = Vault([NEW])

    assert vault.open(vault.seal(b"whsec_x", aad=AAD), aad=AAD) == b"whsec_x"
    assert vault.open(vault.seal(b"", aad=AAD), aad=AAD) == b""


def test_the_blob_is_laid_out_as_documented() -> None:
    """Version, key id with its length, nonce, then ordinary AES-256-GCM: any tool can open it."""
    blob = Vault([NEW], nonce=_fixed_nonce).seal(b"plain", aad=AAD)

    head = b"\x01\x042024"
    expected = AESGCM(NEW[1]).encrypt(_fixed_nonce(12), b"plain", head + AAD)
    assert blob == head + _fixed_nonce(12) + expected


def test_every_seal_takes_a_new_nonce() -> None:
    """Equal values do not look equal, and a nonce is never used twice under one key."""
    vault = Vault([NEW])

    assert vault.seal(b"same", aad=AAD) != vault.seal(b"same", aad=AAD)


def test_the_first_key_seals_and_all_open() -> None:
    """Rotation: put the new key first; what the old one sealed still opens."""
    old_blob = Vault([OLD]).seal(b"s", aad=AAD)
    vault = Vault([NEW, OLD])

    assert vault.open(old_blob, aad=AAD) == b"s"
    assert vault.key_id(old_blob) == "2023"
    assert vault.key_id(vault.seal(b"s", aad=AAD)) == vault.primary == "2024"


def test_an_unknown_key_is_named() -> None:
    """The operator learns which key is missing, not just that something is."""
    blob = Vault([OLD]).seal(b"s", aad=AAD)

    with pytest.raises(UnknownKey, match="2023"):
        Vault([NEW]).open(blob, aad=AAD)


def test_a_blob_does_not_open_in_another_record() -> None:
    """Copying a sealed secret into a subscription of one's own gains nothing."""
    vault = Vault([NEW])
    blob = vault.seal(b"s", aad=AAD)

    with pytest.raises(Tampered):
        vault.open(blob, aad=b"evil/subscription/sub_2")


def test_any_changed_byte_is_noticed() -> None:
    """Every byte is authenticated: head, nonce, text and tag."""
    vault = Vault([NEW, OLD])
    blob = vault.seal(b"secret", aad=AAD)

    for at in range(len(blob)):
        broken = bytearray(blob)
        broken[at] ^= 0x01
        with pytest.raises((Tampered, UnknownKey)):
            vault.open(bytes(broken), aad=AAD)


def test_any_cut_is_noticed() -> None:
    """A prefix of a blob is refused as such, whatever its length."""
    vault = Vault([NEW])
    blob = vault.seal(b"secret", aad=AAD)

    for length in range(len(blob)):
        with pytest.raises(Tampered):
            vault.open(blob[:length], aad=AAD)


def test_a_key_renamed_to_one_with_the_same_bytes_does_not_open() -> None:
    """The key id is part of what is authenticated."""
    vault = Vault([("a", b"k" * 32), ("b", b"k" * 32)])
    blob = bytearray(vault.seal(b"s", aad=AAD))
    blob[2] = ord("b")

    with pytest.raises(Tampered):
        vault.open(bytes(blob), aad=AAD)


def _entry(key_id: str, key: bytes) -> str:
    return f"{key_id}:{base64.b64encode(key).decode()}"


def test_keys_are_read_in_order() -> None:
    """First = primary; spaces round the commas do not matter."""
    text = f"{_entry(*NEW)} , {_entry(*OLD)}"

    assert parse_keys(text) == [NEW, OLD]
    assert parse_keys(text.split(",")) == [NEW, OLD]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "entry 1 is not `id:base64`"),
        ("c2VjcmV0", "entry 1 is not `id:base64`"),
        (":c2VjcmV0", "entry 1 is not `id:base64`"),
        ("a b:c2VjcmV0", "entry 1 is not `id:base64`"),
        (f"{'x' * 33}:c2VjcmV0", "entry 1 is not `id:base64`"),
        (f"{_entry(*NEW)},old:c2VjcmV0", "entry 2 has 6 bytes, a key has 32"),
        ("a:c2VjcmV0!", "entry 1 is not base64"),
        (f"{_entry(*NEW)},{_entry(*NEW)}", "entry 2 repeats the id"),
    ],
)
def test_bad_keys_are_told_without_showing_them(text: str, problem: str) -> None:
    """The text counts entries; it never contains one."""
    with pytest.raises(ValueError, match=problem) as caught:
        parse_keys(text)

    assert "c2VjcmV0" not in str(caught.value)


def test_a_vault_without_keys_is_refused() -> None:
    """There is no such thing as sealing with nothing."""
    with pytest.raises(ValueError, match="no key"):
        parse_keys([])
    with pytest.raises(ValueError, match="needs a key"):
        Vault([])


def test_the_nonce_source_is_asked_for_twelve_bytes() -> None:
    """96 bits, the size AES-GCM is made for."""
    asked = []
    counter = itertools.count()

    def nonce(count: int) -> bytes:
        asked.append(count)
        return next(counter).to_bytes(count, "big")

    vault = Vault([NEW], nonce=nonce)
    vault.seal(b"1", aad=AAD)
    vault.seal(b"2", aad=AAD)

    assert asked == [12, 12]


@pytest.mark.parametrize("key_id", ["k", "2024", "x" * 32])
def test_the_sealing_key_is_told_by_the_head_alone(key_id: str) -> None:
    """Also of the longest id, and of a value whose rest is cut off or damaged."""
    vault = Vault([(key_id, b"n" * 32)])
    text = base64.b64encode(vault.seal(b"secret", aad=AAD)).decode()

    assert sealing_key(text) == key_id
    assert sealing_key(text[:48]) == key_id
    assert key_id in vault.key_ids


@pytest.mark.parametrize("text", ["", "A", "not base64!", "AAAA", "AQE=", "AQEh", "é", "AQIgIA=="])
def test_what_is_no_seal_names_no_key(text: str) -> None:
    """It never raises: whoever looks at all records goes on."""
    assert sealing_key(text) is None
