"""Tell repeats of an event from new ones, within a bounded window of one partition.

The identity is (subscriber, source, id). A repeat with the same content is a duplicate, one with
other content a conflict; neither prolongs the stay of the first. Trace context is left out of the
content: two sends of the same event may differ in it. The window is bounded in time (append time
of the log, so that a rebuild sees the same), in events and in bytes of log (PROTOCOL B3).
"""

from array import array
from enum import Enum

from schemas.event import Event

_HASH_BYTES = 8
_TRACE_NAMES = frozenset({"traceparent", "tracestate"})
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
        contents = self._contents
        known = contents.get(identity)
        if known is not None:
            return Sighting.DUPLICATE if known == content else Sighting.CONFLICT
        contents[identity] = content
        self._identities.append(identity)
        self._times.append(at_ms)
        self._sizes.append(size_bytes)
        self._bytes += size_bytes
        while len(contents) > self._events_max or self._bytes > self._bytes_max:
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
    """Return the 64-bit hash of everything a receiver gets, without trace context.

    Python's own: keyed anew in each process, as the window lives in one; a hash of texts and bytes
    that is known to be fit for what strangers send.
    """
    extensions = event.extensions
    if extensions:
        extensions = {name: extensions[name] for name in extensions.keys() - _TRACE_NAMES}
    return hash(
        (
            event.type,
            event.time,
            event.subject,
            event.dataschema,
            event.datacontenttype,
            event.data,
            frozenset(extensions.items()),
        )
    )
