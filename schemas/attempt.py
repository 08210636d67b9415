"""Describe the `attempts` record: one per attempt that ended under its owner."""

from enum import StrEnum

import msgspec

from schemas.outcome import Outcome


class AttemptKind(StrEnum):
    """Say what kind of attempt it was; also a metric label."""

    FIRST = "first"
    RETRY = "retry"
    TEST = "test"
    REPLAY = "replay"


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of an `attempts` record (CONTRACT 3.2); times are RFC 3339 with milliseconds."""

    v: int = 1
    webhook_id: str
    event_id: str
    subscriber: str
    subscription: str
    type: str
    attempt: int
    kind: AttemptKind
    outcome: Outcome
    status: int | None
    started_at: str
    duration_ms: int
    sequence: int
    next_attempt_at: str | msgspec.UnsetType = msgspec.UNSET
    detail: str | msgspec.UnsetType = msgspec.UNSET

    def encode(self) -> bytes:
        """Return the JSON bytes of the record."""
        return msgspec.json.encode(self)
