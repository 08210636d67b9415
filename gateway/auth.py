"""Who asks: bearer keys. Pure.

Today there is one key, the root key of the settings, which may do everything; the keys kept in the
registry come with the management API and will answer with other scopes.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

_KEY_CHARS_MAX: Final = 1024
_SCHEME: Final = "bearer"


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of a valid key."""

    name: str


ROOT: Final = Principal("root")


class Keyring:
    """The keys that open the API.

    Digests of equal length are compared in constant time, so neither the bytes nor the length of
    the root key can be learnt from the time an answer takes.
    """

    def __init__(self, root_key: str) -> None:
        self._root_digest = _digest(root_key)

    def principal_of(self, authorization: str | None) -> Principal | None:
        """Find who sent an `Authorization` header; None when nobody we know did."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip(" ")
        is_root = hmac.compare_digest(_digest(key[:_KEY_CHARS_MAX]), self._root_digest)
        if scheme.lower() != _SCHEME or len(key) > _KEY_CHARS_MAX or not is_root:
            return None
        return ROOT


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
