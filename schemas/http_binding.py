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
from schemas.header_layout import Layouts, http_name_of
from schemas.quarantine import QuarantineReason

# Everything visible in ASCII but the double quote and the percent sign stands for itself.
_UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_PLAIN = re.compile(rb"[\x21\x23\x24\x26-\x7e]+")
_HTTP_NAME = re.compile(r"ce-([a-z0-9]+)", re.ASCII)
_VISIBLE_LINE = re.compile(rb"[\x20-\x7e]+")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CACHED_CHARS_MAX = 80
_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


def http_headers(record_headers: Headers) -> list[tuple[str, str]]:
    """Return the headers a receiver sees in binary mode; `subscriber` is never among them."""
    headers: list[tuple[str, str]] = []
    for name, raw in record_headers:
        is_short = len(name) <= _CACHED_CHARS_MAX
        http_name = _known_name_of(name) if is_short else http_name_of(name)
        if http_name is not None:
            # Once per header of each delivery: nearly all values need no quoting.
            is_plain = _PLAIN.fullmatch(raw) is not None
            value = raw.decode("ascii") if is_plain else quote(raw, safe=_UNQUOTED)
            headers.append((http_name, value))
        elif name == "content-type" and _VISIBLE_LINE.fullmatch(raw) is not None:
            headers.append((name, raw.decode("ascii")))
    return headers


def http_head(record_headers: Headers) -> tuple[bytes, bytes | None]:
    """Write the same headers as lines of a head; quick, as nearly all values need no quoting.

    Returns what the record says of its hops as well, None when it does not.
    """
    names, values = zip(*record_headers, strict=False) if record_headers else ((), ())
    layout = _LAYOUTS[names]
    hops = None if layout.hops is None else values[layout.hops]
    if layout.shown is not None and layout.attributes is not None:
        kind = layout.content_type
        if (kind is None or _VISIBLE_LINE.fullmatch(values[kind]) is not None) and _PLAIN.fullmatch(
            b"".join(layout.attributes(values))
        ) is not None:
            return layout.lines % layout.shown(values), hops
    lines = "".join([f"{n}: {v}\r\n" for n, v in http_headers(record_headers)])
    return lines.encode("ascii"), hops


_LAYOUTS = Layouts()
_known_name_of = functools.lru_cache(maxsize=1024)(http_name_of)


def structured_document(record_headers: Headers, data: bytes | None) -> bytes:
    """Return the JSON document a receiver sees in structured mode; JSON data goes in as it is."""
    document: dict[str, str | msgspec.Raw] = {}
    content_type: str | None = None
    for name, raw in record_headers:
        http_name = http_name_of(name)
        if http_name is not None:
            document[http_name.removeprefix("ce-")] = raw.decode("utf-8", "replace")
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
