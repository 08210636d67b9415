"""Describe API keys in the registry: who may do what, and the digest of what only they know."""

from typing import Literal

import msgspec

from schemas.event import Violation
from schemas.quarantine import QuarantineReason

KEYS_SUBSCRIBER = "$keys"
"""Keys belong to nobody's subscriber: they lie under this reserved name, on its partition."""

Scope = Literal[
    "events:write",
    "subscriptions:read",
    "subscriptions:write",
    "deliveries:read",
    "replay",
    "admin",
]


class EventQuota(msgspec.Struct, frozen=True, kw_only=True):
    """Events that may come in: so many a second, and how many at once (default: a second's)."""

    events_per_second: float
    burst: int | None = None


class ApiKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `digest` is the SHA-256 of the whole key in hex; `expires_at` is epoch ms."""

    v: int = 1
    id: str
    name: str
    version: int
    scopes: list[Scope]
    subscriber: str | None = None
    expires_at: int | None = None
    quota: EventQuota | None = None
    digest: str
    created_at: str
    updated_at: str
    deleted: bool = False


_RECORD = msgspec.json.Decoder(ApiKeyRecord)


def decode_api_key(value: bytes) -> ApiKeyRecord | Violation:
    """Read the record of a key; never raises."""
    try:
        return _RECORD.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the key record cannot be read")
