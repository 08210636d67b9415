"""Derive and write the ids people see: Crockford base32, lower case."""

import base64
import hashlib
from typing import Literal

_TO_CROCKFORD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz"
)
_HASH_BYTES = 16

IdPrefix = Literal["sub", "evt", "key"]


def crockford(raw: bytes) -> str:
    """Write bytes as lower-case Crockford base32, zero bits in front (16 bytes → 26 characters)."""
    chars = -(-len(raw) * 8 // 5)
    in_fives = bytes(-len(raw) % 5) + raw
    return base64.b32encode(in_fives).translate(_TO_CROCKFORD).decode("ascii")[-chars:]


def webhook_id(subscriber: str, source: str, event_id: str) -> str:
    """Derive the id that every attempt, replay and redrive of an event carries."""
    return "msg_" + crockford(_digest(subscriber, source, event_id))


def idempotent_event_id(subscriber: str, source: str, key: str) -> str:
    """Derive an event's id from an Idempotency-Key, so that a repeat is the same event."""
    return "evt_" + crockford(_digest("idempotency-key", subscriber, source, key))


def id_of(prefix: IdPrefix, uuid7: bytes) -> str:
    """Write the 16 bytes of a UUIDv7 as an id that sorts by time."""
    return f"{prefix}_{crockford(uuid7)}"


def _digest(*fields: str) -> bytes:
    """Hash length-prefixed fields, so that no two lists of fields share their bytes."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for field in fields:
        raw = field.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.digest()
