"""Read one HTTP/1.1 answer from bytes, with limits. No I/O.

httptools (llhttp) does the grammar. It has no limits, sees no end of file and takes what is not
HTTP/1.1, so here: raw bytes are counted, at most `HEAD_BYTES_MAX` before the final head is complete
(interim answers included) and `BODY_BYTES_MAX` after it; so are pieces and chunks, each of which
costs the same however small it is, fields and interim answers; version, status and transfer coding
are checked. The status is taken while the head completes: after two answers in one read the parser
would show the second's.

What breaks before the final head is complete is the receiver's protocol error. What breaks later
changes nothing about the answer: the connection is just not used again.
"""

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_BYTES_MAX: Final = 16_384
BODY_BYTES_MAX: Final = 16_384
KEPT_BODY_BYTES_MAX: Final = 4_096
PIECES_MAX: Final = 256
FIELDS_MAX: Final = 64
INTERIM_ANSWERS_MAX: Final = 5
_KEPT_VALUE_CHARS_MAX: Final = 256

_FIRST_FINAL_STATUS: Final = 200
_STATUS_MAX: Final = 599
_SWITCHING_PROTOCOLS: Final = 101
_NAME_LENGTHS: Final = frozenset(
    map(len, (b"transfer-encoding", b"retry-after", b"webhook-delivery"))
)


_KNOWN_BYTES_MAX: Final = 512

Known = tuple[int | None, str | None, str | None, bytes]
"""What a whole answer said: status, `Retry-After`, `Webhook-Delivery` and the body."""


class BrokenAnswer(Exception):
    """The answer breaks a rule; raised inside the parser's callbacks only."""


class ResponseReader:
    """The reader of one answer at a time; also the callbacks of its parser.

    `status` is None until the final head is complete. `error` says what is wrong with the answer.
    The last whole answer is kept with its bytes: a receiver says the same again and again, for a
    second at least, and what was read once need not be parsed again.
    """

    __slots__ = (
        "_body_room",
        "_chunks",
        "_fields",
        "_head_room",
        "_interim_answers",
        "_is_coded",
        "_is_interim",
        "_is_keep_alive",
        "_is_overlong",
        "_known",
        "_known_bytes",
        "_parser",
        "_pieces",
        "body",
        "error",
        "has_bytes",
        "is_complete",
        "retry_after",
        "status",
        "webhook_delivery",
    )

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._known_bytes: bytes | None = None
        self._known: Known = (None, None, None, b"")
        self._reset_parsing()
        self.reset()

    def reset(self) -> None:
        """Get ready for another answer on the same connection; needs `is_reusable`.

        A parser that ended a message cleanly is where a new one begins; making it is a third of
        the cost of an answer.
        """
        self.has_bytes = self.is_complete = self._is_keep_alive = False
        self.status: int | None = None
        self.body = b""
        self.retry_after: str | None = None
        self.webhook_delivery: str | None = None
        if self._pieces:
            self._reset_parsing()

    def _reset_parsing(self) -> None:
        """Forget what only a parsed answer leaves behind; one that was known leaves nothing."""
        self._head_room = HEAD_BYTES_MAX
        self._body_room = BODY_BYTES_MAX
        self._fields = self._interim_answers = self._pieces = self._chunks = 0
        self._is_coded = self._is_interim = self._is_overlong = False
        self.error: str | None = None

    @property
    def is_done(self) -> bool:
        """Say whether nothing more is wanted from the connection."""
        return self.is_complete or self._is_overlong or self.error is not None

    @property
    def is_reusable(self) -> bool:
        """Say whether another request may follow on the connection."""
        return (
            self.is_complete
            and self._is_keep_alive
            and not self._is_overlong
            and self.error is None
        )

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; never more than the limits are looked at."""
        if data == self._known_bytes and not self.has_bytes:
            self.status, self.retry_after, self.webhook_delivery, self.body = self._known
            self.has_bytes = self.is_complete = self._is_keep_alive = True
            return
        self.has_bytes = True
        self._pieces += 1
        piece = data
        if self.status is None:
            room = self._head_room
            data, rest = (data, b"") if len(data) <= room else (data[:room], data[room:])
            self._head_room -= len(data)
            self._parse(data)
            if self.status is None and self._head_room == 0 and self.error is None:
                self.error = "the head is larger than 16 KiB"
            data = rest
        if data and not self.error:
            self._feed_body(data)
        if self._pieces == PIECES_MAX:
            self._end_crumbs()
        elif self._pieces == 1 and len(piece) <= _KNOWN_BYTES_MAX and self.is_reusable:
            self._known_bytes = piece
            self._known = (self.status, self.retry_after, self.webhook_delivery, self.body)

    def end(self) -> None:
        """Take the orderly end of the stream, which only an interim answer may not precede."""
        if self.status is None and self._interim_answers and self.error is None:
            self.error = "the stream ended after an interim answer"

    def release(self) -> None:
        """Drop the parser, whose callbacks hold this reader: no cycle is left for the collector.

        Nothing can be read afterwards.
        """
        del self._parser

    def _end_crumbs(self) -> None:
        if self.status is None and self.error is None:
            self.error = "256 pieces came and no whole head"
        elif not self.is_complete:
            self._is_overlong = True

    def _feed_body(self, data: bytes) -> None:
        if self.is_complete:
            self.error = "more bytes than the answer has"
            return
        self._parse(data[: self._body_room])
        self._body_room -= len(data)
        if self._body_room < 0 or (self._body_room == 0 and not self.is_complete):
            self._is_overlong = True

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self.error is None:
                self.error = str(error)[:_KEPT_VALUE_CHARS_MAX] or "malformed"

    def _break(self, reason: str) -> BrokenAnswer:
        self.error = reason
        return BrokenAnswer(reason)

    def on_message_begin(self) -> None:
        """Start a message; only interim answers may come before another one."""
        if self.is_complete:
            raise self._break("a second answer followed")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field of a head, or of a trailer."""
        self._fields += 1
        if self._fields > FIELDS_MAX:
            raise self._break("more than 64 header fields")
        if len(name) not in _NAME_LENGTHS or self.status is not None:
            return
        lowered = name.lower()
        if lowered == b"transfer-encoding":
            if self._is_coded or value.strip().lower() not in {b"chunked", b"identity"}:
                raise self._break("unknown transfer coding")
            self._is_coded = True
        elif lowered == b"retry-after":
            self.retry_after = self.retry_after or _text(value)
        elif lowered == b"webhook-delivery":
            self.webhook_delivery = self.webhook_delivery or _text(value)

    def on_headers_complete(self) -> None:
        """Judge the status line; take the status when it is the final one."""
        status: int = self._parser.get_status_code()
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise self._break("not HTTP/1.0 or HTTP/1.1")
        self._is_interim = 100 <= status < _FIRST_FINAL_STATUS  # noqa: PLR2004 - the 1xx class
        if self._is_interim:
            self._count_interim(status)
        elif not _FIRST_FINAL_STATUS <= status <= _STATUS_MAX:
            raise self._break("the status is outside 200 to 599")
        else:
            is_odd = self._is_coded and version == "1.0"
            self._is_keep_alive = self._parser.should_keep_alive() and not is_odd
            self.status = status

    def _count_interim(self, status: int) -> None:
        self._interim_answers += 1
        if status == _SWITCHING_PROTOCOLS:
            raise self._break("switched protocols without being asked")
        if self._interim_answers > INTERIM_ANSWERS_MAX:
            raise self._break("more than 5 interim answers")
        self.retry_after = self.webhook_delivery = None

    def on_body(self, data: bytes) -> None:
        """Keep the start of the body as it came."""
        self._chunks += 1
        if self._chunks > PIECES_MAX:
            raise self._break("the body came in more than 256 chunks")
        room = KEPT_BODY_BYTES_MAX - len(self.body)
        if room > 0:
            self.body += data[:room]

    def on_message_complete(self) -> None:
        """End a message; an interim one does not count."""
        if not self._is_interim:
            self.is_complete = True


def _text(value: bytes) -> str:
    return value[:_KEPT_VALUE_CHARS_MAX].decode("latin-1").strip()
