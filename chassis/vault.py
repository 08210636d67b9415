"""Seal small secrets with AES-256-GCM under a named key.

blob = version (1 byte) ‖ length of the key id (1 byte) ‖ key id ‖ nonce (12) ‖ ciphertext ‖ tag

Version, key id and nonce need no secrecy; the head is authenticated with the caller's `aad`, so a
blob moved to another record or relabelled with another key does not open. Rotation: put the new key
first, keep the old one behind it until every record has been sealed again.
Nonces are random: with 96 bits one key is good for 2^32 seals, far above what a registry writes.
"""

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
FIXED_BYTES = 2
_HEAD_CHARS = 48
"""Base64 of 36 bytes, which hold the longest head."""
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class UnknownKey(Exception):
    """The blob is sealed with a key that this process was not given."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no vault key {key_id!r}; add it to HOOKLANE_VAULT__KEYS")
        self.key_id = key_id


class Tampered(Exception):
    """The blob is not what was sealed: damaged, moved to another record, or not a blob."""


class Vault:
    """Seal with the first key, open with any."""

    def __init__(
        self, keys: Sequence[tuple[str, bytes]], *, nonce: Callable[[int], bytes] = os.urandom
    ) -> None:
        if not keys:
            raise ValueError("a vault needs a key")
        self._primary = keys[0][0]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys}
        self._nonce = nonce

    def seal(self, plain: bytes, *, aad: bytes) -> bytes:
        """Encrypt under the primary key, bound to `aad` (the key of the record it lives in)."""
        nonce = self._nonce(NONCE_BYTES)
        head = _head(self._primary)
        return head + nonce + self._ciphers[self._primary].encrypt(nonce, plain, head + aad)

    def open(self, blob: bytes, *, aad: bytes) -> bytes:
        """Decrypt; raises UnknownKey or Tampered, never returns unauthenticated bytes."""
        key_id = self.key_id(blob)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(key_id)
        head = _head(key_id)
        nonce = blob[len(head) : len(head) + NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, blob[len(head) + NONCE_BYTES :], head + aad)
        except InvalidTag:
            raise Tampered("a sealed value does not belong to its record") from None

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of all keys that open here."""
        return frozenset(self._ciphers)

    @staticmethod
    def key_id(blob: bytes) -> str:
        """Name the key a blob is sealed with: rotation seals again what is not `primary`."""
        if len(blob) < FIXED_BYTES or blob[0] != VERSION:
            raise Tampered("not a sealed value of a known version")
        id_bytes = blob[1]
        if len(blob) < FIXED_BYTES + id_bytes + NONCE_BYTES + TAG_BYTES:
            raise Tampered("a sealed value is cut short")
        key_id = blob[FIXED_BYTES : FIXED_BYTES + id_bytes].decode("ascii", "replace")
        if not _KEY_ID.fullmatch(key_id):
            raise Tampered("a sealed value names no key")
        return key_id

    @property
    def primary(self) -> str:
        """The id of the key that seals."""
        return self._primary


def sealing_key(text: str) -> str | None:
    """Name the key that the base64 of a blob is sealed with, from its first bytes alone.

    None for what is no blob. Cheap, for whoever looks at all that there is.
    """
    try:
        head = binascii.a2b_base64(text[:_HEAD_CHARS], strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    if len(head) < FIXED_BYTES or head[0] != VERSION:
        return None
    key_id = head[FIXED_BYTES : FIXED_BYTES + head[1]].decode("ascii", "replace")
    return key_id if _KEY_ID.fullmatch(key_id) else None


def _head(key_id: str) -> bytes:
    name = key_id.encode("ascii")
    return bytes((VERSION, len(name))) + name


def parse_keys(entries: str | Iterable[str]) -> list[tuple[str, bytes]]:
    """Read `id:base64(32 bytes)` entries, comma-separated or one by one; first = primary.

    Raises ValueError; the text counts entries from 1 and never repeats one, for it holds a key.
    """
    parts = entries.split(",") if isinstance(entries, str) else entries
    keys: dict[str, bytes] = {}
    for number, entry in enumerate((part.strip() for part in parts), start=1):
        key_id, separator, encoded = entry.partition(":")
        if not separator or not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"entry {number} is not `id:base64`, id of 1-32 letters, digits, _ -")
        if key_id in keys:
            raise ValueError(f"entry {number} repeats the id of an earlier one")
        keys[key_id] = _decode_key(encoded, number)
    if not keys:
        raise ValueError("no key given")
    return list(keys.items())


def _decode_key(encoded: str, number: int) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"entry {number} is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"entry {number} has {len(key)} bytes, a key has {KEY_BYTES}")
    return key
