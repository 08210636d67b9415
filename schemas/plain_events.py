"""Read the events that nearly all producers write, in one pass. Pure.

`schemas.cloudevents.decode_event` is the rule and needs four times as long. What is read here it
reads alike, and the headers that came are those it would have `attribute_headers` write, maybe in
another order. Whatever is rare, doubtful or broken is left to it.
"""

import functools
import re
from collections.abc import Sequence

from schemas.cloudevents import SPECVERSION, decode_event, trace_value
from schemas.event import (
    DATA_BYTES_MAX,
    ID_CHARS_MAX,
    ORDERING_KEY_CHARS_MAX,
    Event,
    check_subscriber,
)
from schemas.rfc3339 import parse_ms

Headers = Sequence[tuple[str, bytes]]

_SPECVERSION = SPECVERSION.encode()
_REQUIRED = 4
_KINDS_MAX = 2_048
_SUBSCRIBERS_MAX = 8_192
_SECONDS_MAX = 512
_KIND_BYTES_MAX = 1_024
_TRACE_BYTES_MAX = 512
_SECOND_CHARS = len("2026-01-02T03:04:05")
_MILLISECOND_CHARS = len("2026-01-02T03:04:05.678Z")
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,%d}" % ID_CHARS_MAX)
_PRINTABLE = re.compile(rb"[\x20-\x7e]{1,%d}" % ORDERING_KEY_CHARS_MAX)


def read_plain(key: bytes | None, value: bytes | None, headers: Headers) -> Event | None:
    """Read a record whose headers are few, known and good; None = it needs a closer look."""
    if (
        key is None
        or len(headers) < _REQUIRED
        or (value is not None and len(value) > DATA_BYTES_MAX)
    ):
        return None
    (name0, version), (name1, raw_id), (name2, source), (name3, event_type) = headers[:_REQUIRED]
    if (
        name0 != "ce_specversion"
        or name1 != "ce_id"
        or name2 != "ce_source"
        or name3 != "ce_type"
        or version != _SPECVERSION
        or raw_id is None
        or source is None
        or event_type is None
        or _VISIBLE.fullmatch(raw_id) is None
    ):
        return None
    found: dict[str, bytes] = dict(headers[_REQUIRED:])
    if len(found) != len(headers) - _REQUIRED or None in found.values():
        return None
    like = _event_like(source, event_type, found.pop("content-type", None))
    subscriber = _subscriber_of(key) if len(key) <= _KIND_BYTES_MAX else None
    if like is None or subscriber is None:
        return None
    time = subject = None
    extensions: dict[str, str] = {}
    for name, raw in found.items():
        text = _text_of(name, raw)
        if text is None:
            return None
        if name == "ce_time":
            time = text
        elif name == "ce_subject":
            subject = text
        else:
            extensions[name.removeprefix("ce_")] = text
    return Event(
        subscriber=subscriber,
        id=raw_id.decode(),
        source=like.source,
        type=like.type,
        time=time,
        subject=subject,
        datacontenttype=like.datacontenttype,
        extensions=extensions,
        data=value,
    )


@functools.lru_cache(maxsize=_SUBSCRIBERS_MAX)
def _subscriber_of(key: bytes) -> str | None:
    subscriber = key.decode() if key.isascii() else ""
    return subscriber if check_subscriber(subscriber) is None else None


def _event_like(source: bytes, event_type: bytes, content_type: bytes | None) -> Event | None:
    """Return some good event with these attributes; few of them are ever new."""
    size_bytes = len(source) + len(event_type) + len(content_type or b"")
    return _known_like(source, event_type, content_type) if size_bytes <= _KIND_BYTES_MAX else None


@functools.lru_cache(maxsize=_KINDS_MAX)
def _known_like(source: bytes, event_type: bytes, content_type: bytes | None) -> Event | None:
    headers = [
        ("ce_specversion", _SPECVERSION),
        ("ce_id", b"1"),
        ("ce_source", source),
        ("ce_type", event_type),
    ]
    if content_type is not None:
        headers.append(("content-type", content_type))
    event = decode_event(b"anybody", None, headers)
    return event if isinstance(event, Event) else None  # a document has no attributes here


def _text_of(name: str, raw: bytes) -> str | None:
    """Return what an attribute says that differs from event to event, None when in doubt."""
    match name:
        case "ce_time":
            return raw.decode() if _is_time(raw) else None
        case "ce_subject" | "ce_orderingkey":
            return raw.decode() if _PRINTABLE.fullmatch(raw) is not None else None
        case "traceparent" | "tracestate":
            is_read = len(raw) <= _TRACE_BYTES_MAX and raw.isascii()
            return trace_value(name, raw.decode()) if is_read else None
    return None


def _is_time(raw: bytes) -> bool:
    """Ask for milliseconds in UTC: the day is looked up once per second."""
    return (
        len(raw) == _MILLISECOND_CHARS
        and raw.endswith(b"Z")
        and raw[_SECOND_CHARS : _SECOND_CHARS + 1] == b"."
        and raw[_SECOND_CHARS + 1 : -1].isdigit()
        and _is_second(raw[:_SECOND_CHARS])
    )


@functools.lru_cache(maxsize=_SECONDS_MAX)
def _is_second(raw: bytes) -> bool:
    return raw.isascii() and parse_ms(f"{raw.decode()}Z") is not None
