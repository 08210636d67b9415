"""Read and write the CloudEvents HTTP binding: `ce-*` headers, or one JSON document."""

import base64
import functools
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

import msgspec

from schemas.cloudevents import (
    TRACE_NAMES,
    Headers,
    assemble_event,
    is_json_type,
    trace_value,
)
from schemas.event import DATA_BYTES_MAX, Event, Violation
from schemas.quarantine import QuarantineReason

# Everything visible in ASCII but the double quote and the percent sign stands for itself.
_UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_PLAIN = re.compile(rb"[\x21\x23\x24\x26-\x7e]+")
_ALL_PLAIN = re.compile(rb"[\x21\x23\x24\x26-\x7e]*")
_RECORD_NAME = re.compile(r"ce_([a-z0-9]+)", re.ASCII)
_HTTP_NAME = re.compile(r"ce-([a-z0-9]+)", re.ASCII)
_VISIBLE_LINE = re.compile(rb"[\x20-\x7e]+")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CACHED_CHARS_MAX = 80
_CACHED_NAMES_MAX = 1024
_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


def http_headers(record_headers: Headers) -> list[tuple[str, str]]:
    """Return the headers a receiver sees in binary mode; `subscriber` is never among them."""
    headers: list[tuple[str, str]] = []
    for name, raw in record_headers:
        is_short = len(name) <= _CACHED_CHARS_MAX
        http_name = _known_name_of(name) if is_short else _http_name_of(name)
        if http_name is not None:
            # Once per header of each delivery: nearly all values need no quoting.
            is_plain = _PLAIN.fullmatch(raw) is not None
            value = raw.decode("ascii") if is_plain else quote(raw, safe=_UNQUOTED)
            headers.append((http_name, value))
        elif name == "content-type" and _VISIBLE_LINE.fullmatch(raw) is not None:
            headers.append((name, raw.decode("ascii")))
    return headers


def http_head(record_headers: Headers) -> bytes:
    """Write the same headers as lines of a head; quick, as nearly all values need no quoting."""
    pieces: list[bytes] = []
    values: list[bytes] = []
    for name, raw in record_headers:
        if name == "content-type":
            pieces += (_content_type_line(raw),)
            continue
        start = _LINE_STARTS[name]
        if start:
            values.append(raw)
            pieces += (start, raw, b"\r\n")
    if _ALL_PLAIN.fullmatch(b"".join(values)) is not None:
        return b"".join(pieces)
    return "".join([f"{n}: {v}\r\n" for n, v in http_headers(record_headers)]).encode("ascii")


def _content_type_line(raw: bytes) -> bytes:
    return b"content-type: %b\r\n" % raw if _VISIBLE_LINE.fullmatch(raw) is not None else b""


def _http_name_of(record_name: str) -> str | None:
    """Return the HTTP name of an attribute's record header, None for any other header."""
    match = _RECORD_NAME.fullmatch(record_name)
    if match is None or match.group(1) == "subscriber":
        return None
    return f"ce-{match.group(1)}"


class _LineStarts(dict[str, bytes]):
    """Remember how the line of a record header begins; empty when the receiver sees none."""

    def __missing__(self, name: str) -> bytes:
        http_name = _http_name_of(name)
        start = b"" if http_name is None else f"{http_name}: ".encode("ascii")
        if len(name) <= _CACHED_CHARS_MAX and len(self) < _CACHED_NAMES_MAX:
            self[name] = start
        return start


_LINE_STARTS = _LineStarts()
_known_name_of = functools.lru_cache(maxsize=1024)(_http_name_of)


def structured_document(record_headers: Headers, data: bytes | None) -> bytes:
    """Return the JSON document a receiver sees in structured mode; JSON data goes in as it is."""
    document: dict[str, str | msgspec.Raw] = {}
    content_type: str | None = None
    for name, raw in record_headers:
        match = _RECORD_NAME.fullmatch(name)
        if match is not None and match.group(1) != "subscriber":
            document[match.group(1)] = raw.decode("utf-8", "replace")
        elif name == "content-type":
            content_type = raw.decode("utf-8", "replace")
    if content_type is not None:
        document["datacontenttype"] = content_type
    if data is not None:
        member, content = _data_member(data, content_type)
        document[member] = content
    return msgspec.json.encode(document)


def event_from_http(
    headers: Mapping[str, str], body: bytes, *, data_bytes_max: int = DATA_BYTES_MAX
) -> Event | Violation:
    """Read a request in binary mode; an empty body is an event without data."""
    attributes: dict[str, str] = {}
    traces: dict[str, str | None] = {}
    for raw_name, raw in headers.items():
        name = raw_name.lower()
        match = _HTTP_NAME.fullmatch(name)
        if match is not None and match.group(1) not in attributes:
            text = _decoded(raw)
            if text is None:
                detail = "a ce- header is badly encoded"
                return Violation(QuarantineReason.BAD_EVENT, detail, match.group(1))
            attributes[match.group(1)] = text
        elif name.startswith("ce-") and match is None:
            detail = "a ce- header's name is not a-z 0-9"
            return Violation(QuarantineReason.BAD_EVENT, detail, name.removeprefix("ce-"))
        elif name in TRACE_NAMES:
            traces.setdefault(name, trace_value(name, raw))
        elif name == "content-type":
            traces.setdefault(name, raw)
    attributes.pop("datacontenttype", None)
    content_type = traces.pop("content-type", None)
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    for name, value in traces.items():
        if value is not None:
            attributes.setdefault(name, value)
    return assemble_event(attributes, body or None, subscriber=None, data_bytes_max=data_bytes_max)


def _data_member(data: bytes, content_type: str | None) -> tuple[str, str | msgspec.Raw]:
    if (content_type is None or is_json_type(content_type)) and _is_json(data):
        return "data", msgspec.Raw(data)
    if content_type is not None and content_type.lower().startswith("text/"):
        try:
            return "data", data.decode()
        except UnicodeDecodeError:
            pass
    return "data_base64", base64.b64encode(data).decode("ascii")


def _is_json(data: bytes) -> bool:
    try:
        data.decode()
        _ANY_JSON.decode(data)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def _decoded(raw: str) -> str | None:
    """Undo percent-encoding, and the quoted form of older senders; None when it is broken."""
    quoted = _QUOTED.fullmatch(raw)
    text = raw if quoted is None else re.sub(r"\\(.)", r"\1", quoted.group(1))
    if _BROKEN_PERCENT.search(text) is not None:
        return None
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        return None
