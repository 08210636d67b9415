"""Describe the header `dead_letter` of a delivery that was given up."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from schemas.delivery import DEAD_LETTER_HEADER
from schemas.outcome import Outcome

RESPONSE_BYTES_MAX = 4_096


class DeadLetterReason(StrEnum):
    """The closed list of CONTRACT 3.2; also a metric label.

    `TOO_LARGE` is reserved: an event that fan-out lets through fits as a dead letter, too.
    """

    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    ABORTED = "aborted"
    GONE = "gone"
    TOO_LARGE = "too_large"


class DeadLetterEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """The header `dead_letter` (CONTRACT 3.2); times are RFC 3339 with milliseconds.

    `response` is at most `RESPONSE_BYTES_MAX` of text, already masked by its writer.
    """

    v: int = 1
    webhook_id: str
    event_id: str
    subscriber: str
    subscription: str
    type: str
    sequence: int
    reason: DeadLetterReason
    attempts: int
    first_attempt_at: str | None
    last_attempt_at: str | None
    last_outcome: Outcome | None
    last_status: int | None
    response: str | msgspec.UnsetType = msgspec.UNSET
    dead_at: str

    def encode(self) -> bytes:
        """Return the JSON bytes of the header."""
        return msgspec.json.encode(self)


_DECODER = msgspec.json.Decoder(DeadLetterEnvelope)


def decode_dead_letter(headers: Sequence[tuple[str, bytes]]) -> DeadLetterEnvelope | None:
    """Read the header `dead_letter`; None when there is none that can be read."""
    raw = next((value for name, value in headers if name == DEAD_LETTER_HEADER), None)
    if raw is None:
        return None
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
