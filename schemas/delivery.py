"""Describe the records of `deliveries` and `retry.*`, and the lane a delivery belongs to."""

import functools
import re
import zlib
from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from schemas.event import Violation
from schemas.quarantine import QuarantineReason

DELIVERY_HEADER = "delivery"
RETRY_HEADER = "retry"
DEAD_LETTER_HEADER = "dead_letter"
LANES = 64
TEST_PART = "test"
_TARGETS_MAX = 8_192

_REST = r"/(\d{1,18})(?:/([1-5]?\d|6[0-3]|test))?"
_LANE = re.compile("([^/]+)" + _REST, re.ASCII)
_LANE_REST = re.compile(_REST, re.ASCII)

DeliveryKind = Literal["first", "test", "replay"]
Headers = Sequence[tuple[str, bytes]]


class DeliveryEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """The header `delivery`: what fan-out decided about one event for one subscription.

    `accepted_at` is the event's append time (epoch ms); `registry_offset` is the position of
    registry[p] at which fan-out matched (PROTOCOL R1).
    """

    v: int = 1
    webhook_id: str
    lane: str
    subscription: str
    kind: DeliveryKind
    accepted_at: int
    registry_offset: int


class RetryEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """The header `retry`: a delivery that waits in a delay topic; stands alone.

    `sequence` is the offset in `deliveries`, `attempt` the number of the attempt that comes,
    the `…_at` are epoch ms, `term` is that of the owner who parked it.
    """

    v: int = 1
    webhook_id: str
    lane: str
    subscription: str
    sequence: int
    attempt: int
    due_at: int
    term: int
    first_attempt_at: int | None = None
    last_outcome: str | None = None
    last_status: int | None = None
    last_attempt_at: int | None = None
    kind: DeliveryKind
    accepted_at: int
    registry_offset: int


class LaneKey(msgspec.Struct, frozen=True):
    """The parts of a lane's key; `part` is None, `0` to `63`, or `test`."""

    subscription: str
    epoch: int
    part: str | None


def lane_key(subscription: str, epoch: int, ordering_key: str | None) -> str:
    """Return the lane of an event."""
    return _lane(subscription, epoch, lane_part(ordering_key))


def lane_part(ordering_key: str | None) -> str | None:
    """Return the last part of a lane's key; ordering keys share 64 lanes (PROTOCOL G1)."""
    if ordering_key is None:
        return None
    return str(zlib.crc32(ordering_key.encode("utf-8", "surrogatepass")) % LANES)


def _lane(subscription: str, epoch: int, part: str | None) -> str:
    return f"{subscription}/{epoch}" if part is None else f"{subscription}/{epoch}/{part}"


def parse_lane(lane: str) -> LaneKey | None:
    """Split a lane's key, or return None when it is none."""
    match = _LANE.fullmatch(lane)
    if match is None:
        return None
    subscription, epoch, part = match.groups()
    return LaneKey(subscription, int(epoch), part)


def _is_lane_of(subscription: str, lane: str) -> bool:
    """Ask whether parse_lane would find this subscription in a lane's key; once per record."""
    if not lane.startswith(subscription) or not subscription or "/" in subscription:
        return False
    return _LANE_REST.fullmatch(lane, len(subscription)) is not None


EnvelopeT = TypeVar("EnvelopeT", DeliveryEnvelope, RetryEnvelope)

_DELIVERY = msgspec.json.Decoder(DeliveryEnvelope)
_RETRY = msgspec.json.Decoder(RetryEnvelope)


def encode_delivery(envelope: DeliveryEnvelope) -> bytes:
    """Return the bytes of the header `delivery`."""
    return msgspec.json.encode(envelope)


def envelope_ends(webhook_id: str, accepted_at: int, registry_offset: int) -> tuple[bytes, bytes]:
    """Return what stands around `envelope_target` in the envelopes of all deliveries of an event.

    The three together are what `encode_delivery` returns, at a fifth of the cost. An id needs no
    escapes.
    """
    return (
        b'{"v":1,"webhook_id":"%b",' % webhook_id.encode(),
        b',"accepted_at":%d,"registry_offset":%d}' % (accepted_at, registry_offset),
    )


@functools.lru_cache(maxsize=_TARGETS_MAX)
def envelope_target(subscription: str, epoch: int, part: str | None, kind: DeliveryKind) -> bytes:
    """Return what an envelope says of where its delivery goes; `part` is that of the lane."""
    fields = {"lane": _lane(subscription, epoch, part), "subscription": subscription, "kind": kind}
    return msgspec.json.encode(fields)[1:-1]


def encode_retry(envelope: RetryEnvelope) -> bytes:
    """Return the bytes of the header `retry`."""
    return msgspec.json.encode(envelope)


def decode_delivery(headers: Headers) -> DeliveryEnvelope | Violation:
    """Read the header `delivery`; never raises."""
    return _decode(headers, DELIVERY_HEADER, _DELIVERY)


def decode_retry(headers: Headers) -> RetryEnvelope | Violation:
    """Read the header `retry`; never raises."""
    return _decode(headers, RETRY_HEADER, _RETRY)


def _decode(
    headers: Headers, name: str, decoder: msgspec.json.Decoder[EnvelopeT]
) -> EnvelopeT | Violation:
    raw: bytes | None = None
    for header, value in headers:
        if header == name:
            raw = value
            break
    if raw is None:
        return Violation(QuarantineReason.MISSING_ATTRIBUTE, f"header {name} is missing")
    try:
        envelope = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, f"header {name} cannot be read")
    if not _is_lane_of(envelope.subscription, envelope.lane):
        return Violation(QuarantineReason.BAD_EVENT, f"header {name} names no lane of its own")
    return envelope
