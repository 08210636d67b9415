"""Derive and write the ids people see: Crockford base32, lower case."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Literal

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two characters at a time, for every event has an id or two; base64.b32encode takes twice as long.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_PAIR_BITS = 10
_HASH_BYTES = 16
_LENGTH_BYTES = 4
_BEGUN_MAX = 4_096
_HALF_BITS = 60
_HALF = (1 << _HALF_BITS) - 1

_ID_CHARS = 26
_TIME_CHARS = 10  # the first two of their 50 bits are padding, the others a UUIDv7's milliseconds
_LETTERS = frozenset(_ALPHABET)
_TO_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")

IdPrefix = Literal["sub", "evt", "key"]


def crockford(raw: bytes) -> str:
    """Write bytes as lower-case Crockford base32, zero bits in front (16 bytes → 26 characters)."""
    if len(raw) == _HASH_BYTES:
        return _crockford_of_16(raw)
    chars = -(-len(raw) * 8 // 5)
    number = int.from_bytes(raw, "big")
    highest = _PAIR_BITS * ((chars + 1) // 2 - 1)
    pairs = [_PAIRS[number >> shift & 0x3FF] for shift in range(highest, -1, -_PAIR_BITS)]
    return "".join(pairs)[-chars:]


def _crockford_of_16(raw: bytes) -> str:
    """Write what every id is; in halves, as Python shifts small integers at half the cost."""
    number, pairs = int.from_bytes(raw, "big"), _PAIRS
    high, low = number >> _HALF_BITS & _HALF, number & _HALF
    return (
        f"{pairs[number >> 2 * _HALF_BITS]}{pairs[high >> 50]}{pairs[high >> 40 & 0x3FF]}"
        f"{pairs[high >> 30 & 0x3FF]}{pairs[high >> 20 & 0x3FF]}{pairs[high >> 10 & 0x3FF]}"
        f"{pairs[high & 0x3FF]}{pairs[low >> 50]}{pairs[low >> 40 & 0x3FF]}"
        f"{pairs[low >> 30 & 0x3FF]}{pairs[low >> 20 & 0x3FF]}{pairs[low >> 10 & 0x3FF]}"
        f"{pairs[low & 0x3FF]}"
    )


def webhook_id(subscriber: str, source: str, event_id: str) -> str:
    """Derive the id that every attempt, replay and redrive of an event carries."""
    return webhook_id_of(event_digest(subscriber, source, event_id))


def event_digest(subscriber: str, source: str, event_id: str) -> bytes:
    """Hash what names an event (16 bytes)."""
    digest = _begun(subscriber, source).copy()
    raw = event_id.encode("utf-8", "surrogatepass")
    digest.update(len(raw).to_bytes(_LENGTH_BYTES, "big") + raw)
    return digest.digest()


def webhook_id_of(digest: bytes) -> str:
    """Write the `event_digest` of an event as its webhook id."""
    return f"msg_{_crockford_of_16(digest)}"


def idempotent_event_id(subscriber: str, source: str, key: str) -> str:
    """Derive an event's id from an Idempotency-Key, so that a repeat is the same event."""
    return "evt_" + crockford(_digest("idempotency-key", subscriber, source, key))


def id_of(prefix: IdPrefix, uuid7: bytes) -> str:
    """Write the 16 bytes of a UUIDv7 as an id that sorts by time."""
    return f"{prefix}_{crockford(uuid7)}"


def created_ms(name: str) -> int:
    """Tell when an id of `id_of` was made (epoch ms); 0 of what has not its form."""
    _, _, written = name.partition("_")
    is_id = len(written) == _ID_CHARS and written[0] <= "7" and set(written) <= _LETTERS
    if not is_id:
        return 0
    return int(written[:_TIME_CHARS].translate(_TO_DIGITS), 32)


def siblings_of(first: str, count: int) -> list[str]:
    """Write so many ids that differ in the last ten bits, of which only `first` was drawn.

    They sort in their order and, as all the rest of `first` was drawn, nobody else has them.
    """
    if count > len(_PAIRS):
        raise ValueError(f"at most {len(_PAIRS)} ids at once")
    stem = first[:-2]
    return [stem + pair for pair in _PAIRS[:count]]


def _digest(*fields: str) -> bytes:
    """Hash length-prefixed fields, so that no two lists of fields share their bytes."""
    return _hashed(fields).digest()


def _hashed(fields: Sequence[str]) -> "hashlib.blake2b":
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for field in fields:
        raw = field.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(_LENGTH_BYTES, "big"))
        digest.update(raw)
    return digest


@functools.lru_cache(maxsize=_BEGUN_MAX)
def _begun(subscriber: str, source: str) -> "hashlib.blake2b":
    """Hash what most events of a subscriber have in common; to be copied."""
    return _hashed((subscriber, source))
