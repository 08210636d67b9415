"""Seal again with the current vault key what lies sealed under an older one. Pure.

What others see of a subscription stays as it is: its version, so that an ETag goes on holding, and
the moment from which it gets events.
"""

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum

import orjson

from chassis.vault import Tampered, UnknownKey, Vault
from gateway.registry import Stored
from schemas.registry import SubscriptionRecord


class SealState(StrEnum):
    """How the sealed part of a subscription stands to the keys of a vault."""

    CURRENT = "current"
    OLDER = "older"
    DELETED = "deleted"
    """Of a deleted subscription, which nobody opens again: to be erased."""
    CLOSED = "closed"
    """No key opens it: it was lost, or is damaged."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Seal:
    """The state, and the key that it names if it names one."""

    state: SealState
    key_id: str | None = None


def seal_of(key: bytes, record: SubscriptionRecord, vault: Vault) -> Seal:
    """Judge a subscription; whatever is not under the current key is opened to be sure."""
    if record.deleted:
        return Seal(SealState.DELETED if record.sealed else SealState.NOTHING)
    try:
        blob = base64.b64decode(record.sealed, validate=True)
        key_id = vault.key_id(blob)
        if key_id == vault.primary:
            return Seal(SealState.CURRENT, key_id)
        vault.open(blob, aad=key)
    except UnknownKey as unknown:
        return Seal(SealState.CLOSED, unknown.key_id)
    except (binascii.Error, Tampered):
        return Seal(SealState.CLOSED)
    return Seal(SealState.OLDER, key_id)


def resealed(key: bytes, stored: Stored[SubscriptionRecord], vault: Vault) -> bytes | None:
    """Give the record as it is to be written; None when there is nothing to do."""
    record = stored.record
    state = seal_of(key, record, vault).state
    raw = stored.raw()
    if state is SealState.DELETED:
        return orjson.dumps({**raw, "sealed": ""})
    if state is not SealState.OLDER:
        return None
    plain = vault.open(base64.b64decode(record.sealed), aad=key)
    raw["sealed"] = base64.b64encode(vault.seal(plain, aad=key)).decode()
    if record.enabled_at is None:
        # Null means the append time of the record itself, which this one would change.
        raw["enabled_at"] = stored.appended_at
    return orjson.dumps(raw)
