"""Standard Webhooks 1.0 signatures: v1 (HMAC-SHA256) and v1a (Ed25519). Pure.

The signed text is `<webhook-id>.<timestamp>.<body>` with the timestamp of the attempt in whole
seconds; neither id nor timestamp can hold a dot, so no two requests share a text.
"""

import base64
import binascii
import hashlib
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SYMMETRIC_PREFIX: Final = "whsec_"
ASYMMETRIC_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
SEED_BYTES: Final = 32
_BLOCK_BYTES: Final = 64


class Signer(Protocol):
    """One secret that can sign."""

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> str:
        """Return one value of `webhook-signature`: the scheme, a comma, base64."""
        ...


class SecretInvalid(ValueError):
    """A secret that no signature can be made with. The text never holds the secret."""


def sign_v1a(key: Ed25519PrivateKey, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Sign with Ed25519."""
    signature = key.sign(f"{webhook_id}.{timestamp}.".encode() + body)
    return "v1a," + binascii.b2a_base64(signature, newline=False).decode()


class SymmetricSigner:
    """A `whsec_` secret of at most 64 bytes, SHA-256's block.

    HMAC as RFC 2104 writes it, from two hashes that have read the padded key already: `hmac.digest`
    looks the algorithm up and reads both pads each time, which is most of the work of a small body.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        if len(secret) > _BLOCK_BYTES:
            raise SecretInvalid(f"a secret has at most {_BLOCK_BYTES} bytes")
        key = secret.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> str:
        """Sign with HMAC-SHA256."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{webhook_id}.{timestamp}.".encode())
        inner.update(body)
        outer.update(inner.digest())
        return "v1," + binascii.b2a_base64(outer.digest(), newline=False).decode()


class AsymmetricSigner:
    """A `whsk_` secret."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> str:
        """Sign with Ed25519."""
        return sign_v1a(self._key, webhook_id, timestamp, body)

    @property
    def public_key(self) -> str:
        """The key that receivers verify with, as `whpk_` text."""
        raw = self._key.public_key().public_bytes_raw()
        return PUBLIC_PREFIX + base64.b64encode(raw).decode()


def parse_secret(text: str) -> SymmetricSigner | AsymmetricSigner:
    """Make a signer from a secret as it is stored. Raises SecretInvalid.

    Missing base64 padding is forgiven; a `whsk_` secret is a seed, or a seed with its public key.
    """
    if text.startswith(ASYMMETRIC_PREFIX):
        raw = _decode(text.removeprefix(ASYMMETRIC_PREFIX))
        return AsymmetricSigner(_private_key(raw))
    if text.startswith(SYMMETRIC_PREFIX):
        raw = _decode(text.removeprefix(SYMMETRIC_PREFIX))
        if not SECRET_BYTES_MIN <= len(raw) <= SECRET_BYTES_MAX:
            raise SecretInvalid(
                f"a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, not {len(raw)}"
            )
        return SymmetricSigner(raw)
    raise SecretInvalid("a secret starts with whsec_ or whsk_")


def _private_key(raw: bytes) -> Ed25519PrivateKey:
    if len(raw) not in {SEED_BYTES, 2 * SEED_BYTES}:
        raise SecretInvalid(f"a whsk_ secret has 32 or 64 bytes, not {len(raw)}")
    key = Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])
    if raw[SEED_BYTES:] not in {b"", key.public_key().public_bytes_raw()}:
        raise SecretInvalid("the public half of a whsk_ secret does not belong to its seed")
    return key


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretInvalid("a secret is base64 after its prefix") from None
