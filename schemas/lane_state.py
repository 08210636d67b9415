"""Describe the records of `lanes`: the state a takeover of a partition starts from.

Keys are lanes, `$window`, and `$failing/<subscription>`; no other begins with `$`.
"""

import msgspec

from schemas.event import Violation
from schemas.quarantine import QuarantineReason

WINDOW_KEY = b"$window"
FAILING_PREFIX = b"$failing/"
OWN_PREFIX = b"$"

Run = tuple[int, int]


class TierState(msgspec.Struct, frozen=True):
    """How far one delay topic is settled: low mark and settled runs at or above it."""

    w: int
    done: list[Run]


class WindowRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record `$window` of a partition; `done` are half-open runs of settled offsets ≥ w."""

    v: int = 1
    term: int
    tick: int
    w: int
    done: list[Run]
    tiers: list[TierState]

    def encode(self) -> bytes:
        """Return the JSON bytes of the record."""
        return msgspec.json.encode(self)


class Held(msgspec.Struct, frozen=True):
    """The head of a strict lane that waits in a delay topic, and the attempt that comes."""

    offset: int
    attempt: int


class LaneRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a lane that is held or lags; `since` is epoch ms."""

    v: int = 1
    low: int
    done: list[Run]
    held: Held | None = None
    since: int

    def encode(self) -> bytes:
        """Return the JSON bytes of the record."""
        return msgspec.json.encode(self)


class FailingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a subscription that only fails, or asked for a long wait; times are epoch ms.

    `failures` in a row since `since` (0 without any); nothing starts before `not_before`.
    """

    v: int = 1
    since: int
    failures: int
    not_before: int = 0

    def encode(self) -> bytes:
        """Return the JSON bytes of the record."""
        return msgspec.json.encode(self)


_FAILING = msgspec.json.Decoder(FailingRecord)
_WINDOW = msgspec.json.Decoder(WindowRecord)
_LANE = msgspec.json.Decoder(LaneRecord)


def decode_window(value: bytes) -> WindowRecord | Violation:
    """Read `$window`; never raises."""
    try:
        record = _WINDOW.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the window record cannot be read")
    if not _is_sorted(record.done) or not all(_is_sorted(tier.done) for tier in record.tiers):
        return Violation(QuarantineReason.BAD_EVENT, "the window record holds runs out of order")
    return record


def decode_lane(value: bytes) -> LaneRecord | Violation:
    """Read the record of a lane; never raises."""
    try:
        record = _LANE.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the lane record cannot be read")
    if not _is_sorted(record.done):
        return Violation(QuarantineReason.BAD_EVENT, "the lane record holds runs out of order")
    return record


def failing_key(subscription: str) -> bytes:
    """Return the key under which the failures of a subscription are kept."""
    return FAILING_PREFIX + subscription.encode()


def decode_failing(value: bytes) -> FailingRecord | Violation:
    """Read the record of a failing subscription; never raises."""
    try:
        return _FAILING.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the failing record cannot be read")


def _is_sorted(runs: list[Run]) -> bool:
    """Ask whether runs are non-empty, ascending and do not touch below zero."""
    at = 0
    for low, high in runs:
        if not at <= low < high:
            return False
        at = high
    return True
