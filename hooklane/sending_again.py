"""Make of a delivery that was, an event that makes it once more. Pure.

The event names its subscription, so nobody else gets it and no filter is asked; its source and id
are the old ones, so its `webhook-id` is. The trace of the first time is left behind.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from chassis.kafka import Headers, Record
from schemas.cloudevents import TRACE_NAMES, decode_event, encode_event
from schemas.event import Event
from schemas.registry import registry_key
from schemas.rfc3339 import parse_ms

KIND: Final = "replay"
_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Received(Protocol):
    """The part of a Kafka record that is read here."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def headers(self) -> Headers: ...  # noqa: D102  # the name says it


@dataclass(frozen=True, slots=True)
class Again:
    """A record for `events`, and the delivery it repeats."""

    record: Record
    subscription: str
    webhook_id: str
    came_at: int
    place: tuple[int, int]

    @property
    def address(self) -> bytes:
        """Return the key of the subscription's record in the registry."""
        subscriber = (self.record.key or b"").decode()
        return registry_key(subscriber, "subscription", self.subscription)


def event_again(record: Received, *, subscription: str, topic: str) -> Record | None:
    """Return the event that repeats a delivery; None when the record holds no event."""
    event = decode_event(record.key, record.value, list(record.headers))
    if not isinstance(event, Event):
        return None
    kept = {name: text for name, text in event.extensions.items() if name not in TRACE_NAMES}
    targeted = msgspec.structs.replace(event, extensions=kept, target=subscription, kind=KIND)
    value, headers = encode_event(targeted)
    return Record(topic, record.partition, record.key, value, headers)


def parse_moment(text: str, now_ms: int) -> int | None:
    """Read an RFC 3339 time, or how long ago: `90s`, `15m`, `24h`, `7d`."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, now_ms - int(ago.group(1)) * _UNIT_MS[ago.group(2)])
    return parse_ms(text)
