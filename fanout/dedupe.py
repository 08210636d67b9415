"""Tell repeats of an event from new ones, within a bounded window of one partition.

The identity is (subscriber, source, id). A repeat with the same content is a duplicate, one with
other content a conflict; neither prolongs the stay of the first. Trace context is left out of the
content: two sends of the same event may differ in it. The window is bounded in time (append time
of the log, so that a rebuild sees the same), in events and in bytes of log (PROTOCOL B3).
"""

import hashlib
from array import array
from enum import Enum

from schemas.event import Event

_HASH_BYTES = 8
_TRACE_NAMES = frozenset({"traceparent", "tracestate"})
_ABSENT = bytes(4)
_COMPACT_AT = 4096


class Sighting(Enum):
    """What the window knows of an event."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class DedupeWindow:
    """Identity hash → content hash of the events seen last, oldest out first."""

    def __init__(self, *, span_ms: int, events_max: int, bytes_max: int) -> None:
        self._span_ms = span_ms
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._contents: dict[int, int] = {}
        # A queue in three columns: 20 bytes an event where tuples would take 150.
        self._identities = array("Q")
        self._times = array("q")
        self._sizes = array("I")
        self._head = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._contents)

    @property
    def log_bytes(self) -> int:
        """Return how many bytes of log the window spans."""
        return self._bytes

    def see(self, identity: int, content: int, *, at_ms: int, size_bytes: int) -> Sighting:
        """Look an event up and remember it when it is new."""
        self._evict(at_ms - self._span_ms)
        known = self._contents.get(identity)
        if known is not None:
            return Sighting.DUPLICATE if known == content else Sighting.CONFLICT
        self._contents[identity] = content
        self._identities.append(identity)
        self._times.append(at_ms)
        self._sizes.append(size_bytes)
        self._bytes += size_bytes
        while len(self._contents) > self._events_max or self._bytes > self._bytes_max:
            self._drop_oldest()
        return Sighting.NEW

    def _evict(self, before_ms: int) -> None:
        while self._head < len(self._times) and self._times[self._head] < before_ms:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        del self._contents[self._identities[self._head]]
        self._bytes -= self._sizes[self._head]
        self._head += 1
        if self._head >= _COMPACT_AT and self._head * 2 >= len(self._times):
            del self._identities[: self._head]
            del self._times[: self._head]
            del self._sizes[: self._head]
            self._head = 0


def identity_of(digest: bytes) -> int:
    """Return 64 bits of an event's digest (`schemas.ids.event_digest`), which its id is made of."""
    return int.from_bytes(digest[:_HASH_BYTES], "big")


def content_of(event: Event) -> int:
    """Return the 64-bit hash of everything a receiver gets, without trace context."""
    fields = [event.type, event.time, event.subject, event.dataschema, event.datacontenttype]
    for name, value in sorted(event.extensions.items()):
        if name not in _TRACE_NAMES:
            fields += (name, value)
    return _hash64(*fields, data=event.data)


def _hash64(*fields: str | None, data: bytes | None = None) -> int:
    """Hash length-prefixed fields; absent and empty differ."""
    parts: list[bytes] = []
    for field in fields:
        if field is None:
            parts.append(_ABSENT)
        else:
            raw = field.encode()
            parts.append((len(raw) + 1).to_bytes(4, "big"))
            parts.append(raw)
    if data is not None:
        parts.append(b"\x01")
        parts.append(data)
    digest = hashlib.blake2b(b"".join(parts), digest_size=_HASH_BYTES)
    return int.from_bytes(digest.digest(), "big")
