"""Signing secrets as Standard Webhooks writes them. Pure: random bytes are passed in.

`whsec_` + base64 of 24 to 64 bytes signs with HMAC-SHA256 (`v1`). `whsk_` + base64 of a 32-byte
Ed25519 seed, alone or followed by its public key, signs with `v1a`; receivers get the `whpk_` half.
"""

import base64
import binascii
import re
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Signature = Literal["v1", "v1a"]

SYMMETRIC_PREFIX: Final = "whsec_"
SEED_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
SEED_BYTES: Final = 32

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_CHARS_MAX: Final = 128


def make_secret(signature: Signature, random_bytes: bytes) -> str:
    """Write 32 random bytes as a secret of the given kind."""
    prefix = SYMMETRIC_PREFIX if signature == "v1" else SEED_PREFIX
    return prefix + base64.b64encode(random_bytes).decode()


def check_secret(signature: Signature, secret: str) -> str | None:
    """Say what is wrong with a secret that a client brings; None when nothing is."""
    prefix = SYMMETRIC_PREFIX if signature == "v1" else SEED_PREFIX
    if not secret.startswith(prefix):
        return f"a secret for signature {signature} starts with {prefix}"
    key = _decode(secret.removeprefix(prefix))
    if key is None:
        return f"what follows {prefix} is base64"
    if signature == "v1":
        is_good = SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX
        return None if is_good else "the key has 24 to 64 bytes"
    if len(key) == SEED_BYTES:
        return None
    if len(key) != 2 * SEED_BYTES:
        return "the key is a 32-byte seed, or a seed and its public key (64 bytes)"
    return None if key[SEED_BYTES:] == _public(key) else "the public key is not that of the seed"


def public_key_of(secret: str) -> str | None:
    """Give the public half of an Ed25519 secret; None for a symmetric one."""
    if not secret.startswith(SEED_PREFIX):
        return None
    key = _decode(secret.removeprefix(SEED_PREFIX))
    if key is None or len(key) < SEED_BYTES:
        return None
    return PUBLIC_PREFIX + base64.b64encode(_public(key)).decode()


def _public(key: bytes) -> bytes:
    seed = key[:SEED_BYTES]
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _decode(text: str) -> bytes | None:
    if len(text) > _CHARS_MAX or not _BASE64.fullmatch(text):
        return None
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        return None
