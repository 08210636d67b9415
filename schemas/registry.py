"""Describe the records of `registry`: subscriptions, and the keys of all kinds."""

from typing import Annotated, Literal

import msgspec

from schemas.event import Violation
from schemas.quarantine import QuarantineReason

RegistryKind = Literal["subscriber", "subscription", "key", "event-type"]
Ordering = Literal["strict", "none"]
JsonValue = Annotated[object, msgspec.Meta(extra_json_schema={"description": "any JSON value"})]

_KINDS: dict[str, RegistryKind] = {
    "subscriber": "subscriber",
    "subscription": "subscription",
    "key": "key",
    "event-type": "event-type",
}
SCHEDULE_S: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
MAX_AGE_S = 518_400


class RegistryKey(msgspec.Struct, frozen=True):
    """The parts of a registry record's key; a subscriber that begins with `$` is reserved."""

    subscriber: str
    kind: RegistryKind
    id: str


def registry_key(subscriber: str, kind: RegistryKind, record_id: str) -> bytes:
    """Return the record key, which is also the AAD of what is sealed inside."""
    return f"{subscriber}/{kind}/{record_id}".encode()


def parse_registry_key(key: bytes) -> RegistryKey | None:
    """Split a record key, or return None when it is none; an id may hold slashes."""
    try:
        subscriber, kind, record_id = key.decode().split("/", 2)
    except ValueError:
        return None
    known = _KINDS.get(kind)
    if known is None or not subscriber or not record_id:
        return None
    return RegistryKey(subscriber, known, record_id)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Delays after each failure, and the age at which a delivery is given up (seconds)."""

    schedule_s: list[float] = msgspec.field(default_factory=lambda: list(SCHEDULE_S))
    max_age_s: int = MAX_AGE_S


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts per second of a subscription, and how many may come at once."""

    per_second: float
    burst: int | None = None


class SubscriptionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription, as the registry holds it.

    Writers edit the raw JSON object and never encode this Struct, so that fields of a later
    version survive. `sealed` is the base64 of the vault's blob (`SealedFields` inside).
    """

    v: int = 1
    id: str
    subscriber: str
    version: int
    status: Literal["active", "paused", "disabled"] = "active"
    status_reason: str | None = None
    event_types: list[str] = msgspec.field(default_factory=lambda: ["*"])
    filter: dict[str, JsonValue] | None = None
    description: str | None = None
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    ordering: Ordering = "strict"
    lane_epoch: int = 0
    drop_before: int = 0
    orderings: dict[str, Ordering] = msgspec.field(default_factory=dict)
    retry: RetryPolicy = msgspec.field(default_factory=RetryPolicy)
    rate_limit: RateLimit | None = None
    max_in_flight: int = 8
    timeout_s: float = 15.0
    format: Literal["binary", "structured"] = "binary"
    signature: Literal["v1", "v1a"] = "v1"
    sealed: str
    created_at: str
    updated_at: str
    enabled_at: int | None = None
    deleted: bool = False


class PreviousSecret(msgspec.Struct, frozen=True):
    """A rotated secret that still signs until `expires_at` (epoch ms)."""

    secret: str
    expires_at: int


class SealedFields(msgspec.Struct, frozen=True, kw_only=True):
    """What lies encrypted in `sealed`; its JSON exists only in memory."""

    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    secret: str
    previous: list[PreviousSecret] = msgspec.field(default_factory=list)


_SUBSCRIPTION = msgspec.json.Decoder(SubscriptionRecord)
_SEALED = msgspec.json.Decoder(SealedFields)


def decode_subscription(value: bytes) -> SubscriptionRecord | Violation:
    """Read the record of a subscription; never raises."""
    try:
        return _SUBSCRIPTION.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the subscription record cannot be read")


def decode_sealed(plain: bytes) -> SealedFields | Violation:
    """Read what the vault opened; never raises and never echoes."""
    try:
        return _SEALED.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the sealed fields cannot be read")


def encode_sealed(fields: SealedFields) -> bytes:
    """Return the plain bytes to seal."""
    return msgspec.json.encode(fields)
