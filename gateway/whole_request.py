"""One request that a single read of a connection brought whole. Pure.

Many clients send a small body together with its head. Such a request needs no stream, no message
objects and no parser that remembers: what was read either is one request from its first
byte to its last, or it is left to aiohttp. So whatever aiohttp refuses for its form must not be
taken here; tests/property/test_express.py holds the two against each other.
"""

from typing import Final

import httptools
import msgspec

SMALL_HEAD_BYTES_MAX: Final = 4 * 1024
FIELDS_MAX: Final = 64
_HOST: Final = b"host"
_CONNECTION: Final = b"connection"
_KEEP_ALIVE: Final = b"keep-alive"


class WholeRequest(msgspec.Struct, gc=False):
    """A request of HTTP/1.1 whose connection stays open; names of fields in lower case, each once.

    `target` is as it was sent.
    """

    method: bytes
    target: bytes
    fields: dict[bytes, bytes]
    body: bytes


def whole_request(data: bytes) -> WholeRequest | None:
    """Read one request, no less and no more; None = aiohttp shall look at it."""
    found = _Found()
    parser = httptools.HttpRequestParser(found)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    fields = found.fields
    is_one = found.begun == 1 and found.is_whole and len(fields) == found.lines
    is_small = len(data) - len(found.body) <= SMALL_HEAD_BYTES_MAX and found.lines <= FIELDS_MAX
    if not (is_one and is_small and _HOST in fields and parser.get_http_version() == "1.1"):
        return None
    if fields.get(_CONNECTION, _KEEP_ALIVE).lower() != _KEEP_ALIVE:
        return None
    return WholeRequest(parser.get_method(), found.target, fields, found.body)


class Boundaries:
    """Follows a stream of requests that come in any pieces: where does one end?"""

    __slots__ = ("__weakref__", "_is_lost", "_open", "_parser")

    def __init__(self) -> None:
        self._open = _Open()  # not `self`: with its parser that would be a cycle
        self._parser = httptools.HttpRequestParser(self._open)
        self._is_lost = False

    def feed(self, data: bytes) -> bool:
        """Tell whether the stream ends where a request does; never again once it was malformed."""
        if not self._is_lost:
            try:
                self._parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                self._is_lost = True
        return not (self._is_lost or self._open.count)


class _Open:
    """How many requests began and did not end."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def on_message_begin(self) -> None:
        self.count += 1

    def on_message_complete(self) -> None:
        self.count -= 1


class _Found:
    """What the parser told."""

    __slots__ = ("begun", "body", "fields", "is_whole", "lines", "target")

    def __init__(self) -> None:
        self.begun = 0
        self.lines = 0
        self.target = b""
        self.fields: dict[bytes, bytes] = {}
        self.body = b""
        self.is_whole = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines += 1
        self.fields[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_whole = True
