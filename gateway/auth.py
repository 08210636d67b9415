"""Who asks: bearer keys. Pure; the time is passed in.

The root key of the settings may do everything. All others lie in the registry as digests: every
gateway follows that topic, so a revocation holds everywhere as soon as it is read.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from gateway.quotas import Quota, quota_of
from gateway.registry import Shelf
from schemas.api_keys import ApiKeyRecord, Scope

_KEY_CHARS_MAX: Final = 1024
_SCHEME: Final = "bearer"
_TOKEN: Final = re.compile(r"hlk_(key_[0-9a-z]{1,64})_[0-9a-z]{1,128}")
_NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of a valid key; one that is bound to a subscriber sees only it."""

    key_id: str | None = None
    scopes: frozenset[Scope] = frozenset()
    subscriber: str | None = None
    quota: Quota | None = None

    def may(self, scope: Scope) -> bool:
        """Tell whether the key has a scope; `admin` holds all."""
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, subscriber: str | None) -> bool:
        """Tell whether something of a subscriber (None: of nobody) is not hidden from the key."""
        return self.subscriber is None or self.subscriber == subscriber


ROOT: Final = Principal(scopes=frozenset({"admin"}))


class Keyring:
    """The keys that open the API.

    Digests of equal length are compared in constant time, and one is compared for an unknown id
    too, so neither keys nor ids can be learnt from the time an answer takes.
    """

    def __init__(self, root_key: str, keys: Shelf[ApiKeyRecord]) -> None:
        self._root_digest = digest_of(root_key)
        self._keys = keys

    def principal_of(self, authorization: str | None, *, now_ms: int) -> Principal | None:
        """Find who sent an `Authorization` header; None when nobody we know did."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip(" ")
        digest = digest_of(key[:_KEY_CHARS_MAX])
        is_bearer = scheme.lower() == _SCHEME and len(key) <= _KEY_CHARS_MAX
        if hmac.compare_digest(digest, self._root_digest) and is_bearer:
            return ROOT
        record = self._record_of(key)
        is_known = hmac.compare_digest(digest, _NO_DIGEST if record is None else record.digest)
        if not is_bearer:
            return None
        if record is None or not is_known or is_expired(record, now_ms):
            return None
        return principal_of(record)

    def may_be_new(self, authorization: str | None) -> bool:
        """Tell whether a header has the form of a key that may lie in the registry."""
        _, _, key = (authorization or "").partition(" ")
        return _TOKEN.fullmatch(key.strip(" ")[:_KEY_CHARS_MAX]) is not None

    def _record_of(self, key: str) -> ApiKeyRecord | None:
        match = _TOKEN.fullmatch(key) if len(key) <= _KEY_CHARS_MAX else None
        stored = self._keys.find(match.group(1)) if match is not None else None
        return None if stored is None else stored.record


def principal_of(record: ApiKeyRecord) -> Principal:
    """Read what a key may do."""
    quota = record.quota
    return Principal(
        key_id=record.id,
        scopes=frozenset(record.scopes),
        subscriber=record.subscriber,
        quota=None if quota is None else quota_of(quota.events_per_second, quota.burst),
    )


def is_expired(record: ApiKeyRecord, now_ms: int) -> bool:
    """Tell whether a key has ended by itself."""
    return record.expires_at is not None and record.expires_at <= now_ms


def digest_of(key: str) -> str:
    """Give what is kept of a key; it has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
