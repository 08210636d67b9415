"""Read and write CloudEvents 1.0 in the Kafka protocol binding; never raises on what it reads.

Binary mode: attributes in `ce_*` headers, the value is the data. Structured mode (a content type
that begins with `application/cloudevents`): the value is one JSON document. The data of a document
is cut out as raw bytes and never serialised again, so numbers of any length, key order and escapes
survive. orjson says what is JSON, as at the gateway: no NaN, no number beyond a double, no lone
surrogate, no invalid UTF-8. What it lets pass (repeated members, deep nesting) is looked for here.
"""

import base64
import binascii
import functools
import re
from collections.abc import Mapping, Sequence

import msgspec
import orjson

from schemas.event import DATA_BYTES_MAX, Event, Violation, check_event, check_subscriber
from schemas.json_text import depth_of, has_duplicate_names
from schemas.quarantine import QuarantineReason

STRUCTURED_PREFIX = "application/cloudevents"
NESTING_MAX = 64
TARGET_HEADER = "hooklane_target"
KIND_HEADER = "hooklane_kind"
HOPS_HEADER = "hooklane_hops"
SPECVERSION = "1.0"
_SPECVERSION_HEADER = ("ce_specversion", SPECVERSION.encode())
TRACE_NAMES = ("traceparent", "tracestate")
_PLAIN_NAMES = frozenset({"content-type", *TRACE_NAMES})

Headers = Sequence[tuple[str, bytes]]

_PREFIX = "ce_"
_PREFIX_CHARS = len(_PREFIX)
_CACHED_CHARS_MAX = 80
"""Longer header names are read, but not remembered: a producer may write megabytes of them."""
_JSON_TYPE = re.compile(r"[^/;\s]+/(?:[^;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_STRUCTURED_JSON = re.compile(
    r"application/cloudevents(?:\+json)?\s*(?:;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE
)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
_HOPS = re.compile(r"\d{1,6}", re.ASCII)
HOPS_UNREADABLE = 999_999
_INTEGER = re.compile(r"-?\d{1,10}", re.ASCII)
_INT32_MAX = 2**31 - 1
_DOCUMENT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_REQUIRED = ("specversion", "id", "source", "type")


def decode_event(
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    *,
    data_bytes_max: int = DATA_BYTES_MAX,
) -> Event | Violation:
    """Read one record of `events`; total: any bytes give an event or a violation."""
    subscriber = _subscriber_of(key)
    if isinstance(subscriber, Violation):
        return subscriber
    texts = _texts(headers)
    if isinstance(texts, Violation):
        return texts
    content_type = texts.get("content-type")
    if not is_structured(content_type):
        attributes = {
            name[_PREFIX_CHARS:]: text for name, text in texts.items() if name.startswith(_PREFIX)
        }
        attributes.pop("datacontenttype", None)
        if content_type is not None:
            attributes["datacontenttype"] = content_type
        data = value
    else:
        document = _read_document(value or b"", content_type or "")
        if isinstance(document, Violation):
            return document
        attributes, data = document
    for name in TRACE_NAMES:
        if name not in attributes and (text := trace_value(name, texts.get(name))) is not None:
            attributes[name] = text
    event = assemble_event(
        attributes,
        data,
        subscriber=subscriber,
        target=texts.get(TARGET_HEADER),
        kind=texts.get(KIND_HEADER),
        data_bytes_max=data_bytes_max,
    )
    hops = texts.get(HOPS_HEADER)
    if hops is None or isinstance(event, Violation):
        return event
    return msgspec.structs.replace(event, hops=hops_of(hops))


def hops_of(text: str) -> int:
    """Read how often an event was delivered before; what cannot be read counts as often."""
    return int(text) if _HOPS.fullmatch(text) is not None else HOPS_UNREADABLE


def decode_document(
    raw: bytes | msgspec.Raw, *, data_bytes_max: int = DATA_BYTES_MAX
) -> Event | Violation:
    """Read a structured CloudEvent whose subscriber is its extension `subscriber`."""
    document = _read_document(bytes(raw), STRUCTURED_PREFIX)
    if isinstance(document, Violation):
        return document
    attributes, data = document
    return assemble_event(attributes, data, subscriber=None, data_bytes_max=data_bytes_max)


def encode_event(event: Event) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Return value and headers as a direct producer would write them (binary mode)."""
    headers = attribute_headers(event)
    if event.target is not None:
        headers.append((TARGET_HEADER, event.target.encode()))
    if event.kind is not None:
        headers.append((KIND_HEADER, event.kind.encode()))
    return event.data, headers


def attribute_headers(event: Event) -> list[tuple[str, bytes]]:
    """Return the headers that carry an event's attributes through every topic."""
    headers = [
        _SPECVERSION_HEADER,
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
    ]
    if event.time is not None:
        headers.append(("ce_time", event.time.encode()))
    if event.subject is not None:
        headers.append(("ce_subject", event.subject.encode()))
    if event.dataschema is not None:
        headers.append(("ce_dataschema", event.dataschema.encode()))
    if event.datacontenttype is not None:
        headers.append(("content-type", event.datacontenttype.encode()))
    for name, value in event.extensions.items():
        headers.append((name if name in TRACE_NAMES else _PREFIX + name, value.encode()))
    if event.hops:
        headers.append((HOPS_HEADER, str(event.hops).encode()))
    return headers


def is_structured(content_type: str | None) -> bool:
    """Ask whether a content type announces a CloudEvent as a document."""
    return content_type is not None and content_type.lower().startswith(STRUCTURED_PREFIX)


def is_json_type(content_type: str) -> bool:
    """Ask whether a media type is JSON or one of its `+json` kin."""
    return _JSON_TYPE.fullmatch(content_type) is not None


def trace_value(name: str, text: str | None) -> str | None:
    """Return a W3C trace header's text when it is well formed; a broken one is left out."""
    if text is None:
        return None
    grammar = _TRACEPARENT if name == "traceparent" else _TRACESTATE
    return text if grammar.fullmatch(text) is not None else None


def assemble_event(
    attributes: Mapping[str, str],
    data: bytes | None,
    *,
    subscriber: str | None,
    target: str | None = None,
    kind: str | None = None,
    data_bytes_max: int = DATA_BYTES_MAX,
) -> Event | Violation:
    """Make an event of attributes by their CloudEvents names, checked.

    `subscriber` is the record's key, or None when only the extension names it.
    """
    rest = dict(attributes)
    for name in _REQUIRED:
        if name not in rest:
            return Violation(QuarantineReason.MISSING_ATTRIBUTE, f"{name} is missing", name)
    if rest.pop("specversion") != SPECVERSION:
        detail = "specversion is not 1.0"
        return Violation(QuarantineReason.BAD_EVENT, detail, "specversion")
    named = rest.pop("subscriber", None)
    if subscriber is None:
        if named is None:
            detail = "subscriber is missing"
            return Violation(QuarantineReason.MISSING_ATTRIBUTE, detail, "subscriber")
    elif named is not None and named != subscriber:
        detail = "the extension subscriber differs from the key"
        return Violation(QuarantineReason.KEY_MISMATCH, detail, "subscriber")
    event = Event(
        subscriber=named or "" if subscriber is None else subscriber,
        id=rest.pop("id"),
        source=rest.pop("source"),
        type=rest.pop("type"),
        time=rest.pop("time", None),
        subject=rest.pop("subject", None),
        dataschema=rest.pop("dataschema", None),
        datacontenttype=rest.pop("datacontenttype", None),
        extensions=rest,
        data=data,
        target=target,
        kind=kind,
    )
    violation = check_event(event, data_bytes_max=data_bytes_max)
    return event if violation is None else violation


def _subscriber_of(key: bytes | None) -> str | Violation:
    if key is None:
        return Violation(QuarantineReason.NO_KEY, "the record has no key")
    try:
        subscriber = key.decode()
    except UnicodeDecodeError:
        return Violation(QuarantineReason.BAD_KEY, "the key is not UTF-8")
    problem = check_subscriber(subscriber)
    return subscriber if problem is None else Violation(QuarantineReason.BAD_KEY, problem)


def _texts(headers: Headers) -> dict[str, str] | Violation:
    """Read the headers that matter, by lower-case name; of a repeated one the first counts."""
    texts: dict[str, str] = {}
    for raw_name, raw in headers:
        is_short = len(raw_name) <= _CACHED_CHARS_MAX
        name = _known_name_of(raw_name) if is_short else _our_name_of(raw_name)
        if name is None or name in texts or raw is None:
            continue
        try:
            texts[name] = raw.decode()
        except UnicodeDecodeError:
            if name in TRACE_NAMES:
                continue
            return Violation(QuarantineReason.BAD_EVENT, "a header is not UTF-8")
    return texts


def _our_name_of(header: str) -> str | None:
    """Return a header's name in lower case, None when it means nothing to us."""
    name = header.lower()
    is_ours = name.startswith((_PREFIX, "hooklane_")) or name in _PLAIN_NAMES
    return name if is_ours else None


_known_name_of = functools.lru_cache(maxsize=1024)(_our_name_of)


def _read_document(
    raw: bytes, content_type: str
) -> tuple[dict[str, str], bytes | None] | Violation:
    """Split a JSON document into attributes and raw data."""
    if _STRUCTURED_JSON.fullmatch(content_type) is None:
        return Violation(QuarantineReason.BAD_EVENT, "only the JSON format, in UTF-8, can be read")
    members = _read_members(raw)
    if isinstance(members, Violation):
        return members
    raw_data = members.pop("data", None)
    raw_base64 = members.pop("data_base64", None)
    attributes: dict[str, str] = {}
    for name, member in members.items():
        text = _attribute_text(name, bytes(member))
        if isinstance(text, Violation):
            return text
        if text is not None:
            attributes[name] = text
    if raw_base64 is not None and bytes(raw_base64) != b"null":
        if raw_data is not None:
            detail = "data and data_base64 are both present"
            return Violation(QuarantineReason.BAD_EVENT, detail, "data_base64")
        data = _from_base64(bytes(raw_base64))
        return data if isinstance(data, Violation) else (attributes, data)
    if raw_data is None or bytes(raw_data) == b"null":
        return attributes, None
    return attributes, _data_bytes(bytes(raw_data), attributes)


def _read_members(raw: bytes) -> dict[str, msgspec.Raw] | Violation:
    """Read the top level of a document and refuse what msgspec lets pass."""
    try:
        # The referee of the HTTP side too: also no number that a double cannot hold.
        orjson.loads(raw)
        members = _DOCUMENT.decode(raw)
    except (orjson.JSONDecodeError, msgspec.DecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the document is not one JSON object in UTF-8")
    if depth_of(raw, at_most=NESTING_MAX) > NESTING_MAX:
        return Violation(QuarantineReason.BAD_JSON, f"nesting is deeper than {NESTING_MAX}")
    if has_duplicate_names(raw, {name: bytes(member) for name, member in members.items()}):
        return Violation(QuarantineReason.BAD_JSON, "a member of the envelope is repeated")
    return members


def _attribute_text(name: str, member: bytes) -> str | Violation | None:
    """Return an attribute as text: strings, 32-bit integers and booleans have one form each."""
    if member == b"null":
        return None
    if member.startswith(b'"'):
        return _TEXT.decode(member)
    if name not in {"specversion", "id", "source", "type", "time", "subject", "dataschema"}:
        text = member.decode()
        if text in {"true", "false"}:
            return text
        if _INTEGER.fullmatch(text) is not None and -_INT32_MAX - 1 <= int(text) <= _INT32_MAX:
            return text
    detail = "an attribute is neither a string, a 32-bit integer nor a boolean"
    return Violation(QuarantineReason.BAD_EVENT, detail, name)


def _from_base64(member: bytes) -> bytes | Violation:
    try:
        return base64.b64decode(_TEXT.decode(member), validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        detail = "data_base64 is not base64"
        return Violation(QuarantineReason.BAD_EVENT, detail, "data_base64")


def _data_bytes(member: bytes, attributes: dict[str, str]) -> bytes:
    """Return the data: JSON as it stands, the text of a string when the type is not JSON."""
    content_type = attributes.setdefault("datacontenttype", "application/json")
    if member.startswith(b'"') and not is_json_type(content_type):
        return _TEXT.decode(member).encode()
    return member
