"""Hold one CloudEvent and the rules every ingest path checks (CONTRACT 3.1)."""

import functools
import re

import msgspec

from schemas.quarantine import QuarantineReason
from schemas.rfc3339 import parse_ms

DATA_BYTES_MAX = 262_144
TYPE_CHARS_MAX = 256
ID_CHARS_MAX = 256
SOURCE_CHARS_MAX = 512
SUBJECT_CHARS_MAX = 1_024
DATASCHEMA_CHARS_MAX = 2_048
CONTENT_TYPE_CHARS_MAX = 256
ORDERING_KEY_CHARS_MAX = 256
EXTENSIONS_MAX = 64
EXTENSION_NAME_CHARS_MAX = 64
EXTENSION_CHARS_MAX = 8_192
ATTRIBUTE_BYTES_MAX = 32_768

_REMEMBERED_MAX = 4_096
_REMEMBERED_CHARS_MAX = 1_024

_SUBSCRIBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_EXTENSION_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(
    rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|\"[\x20\x21\x23-\x7e]*\"))*[ \t]*"
)
_TARGET = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_CONTEXT_NAMES = frozenset(
    {
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "dataschema",
        "datacontenttype",
        "data",
        "data_base64",
        "subscriber",
    }
)


class Violation(msgspec.Struct, frozen=True):
    """Say why a record is no event; `detail` never echoes what the record held.

    `attribute` is the CloudEvents name of the one that is wrong, if it is a single one.
    """

    reason: QuarantineReason
    detail: str
    attribute: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One CloudEvent for one subscriber; `data` is byte for byte what the producer wrote.

    `extensions` never holds `subscriber`; `target` and `kind` are the internal headers
    `hooklane_target` and `hooklane_kind` (test events, redrive, replay). `hops` counts how often
    what it is made of was delivered by hooklane.
    """

    subscriber: str
    id: str
    source: str
    type: str
    time: str | None = None
    subject: str | None = None
    dataschema: str | None = None
    datacontenttype: str | None = None
    extensions: dict[str, str] = msgspec.field(default_factory=dict)
    data: bytes | None = None
    target: str | None = None
    kind: str | None = None
    hops: int = 0

    @property
    def ordering_key(self) -> str | None:
        """Return the extension `orderingkey`."""
        return self.extensions.get("orderingkey")


def check_subscriber(subscriber: str) -> str | None:
    """Return what is wrong with a subscriber's name, or None."""
    if _SUBSCRIBER.fullmatch(subscriber) is None:
        return "a subscriber is 1 to 128 of A-Z a-z 0-9 . _ : - and begins with a letter or a digit"
    return None


def has_forbidden_characters(text: str) -> bool:
    """Ask for what no text of a CloudEvent holds: controls, surrogates, noncharacters."""
    return _FORBIDDEN.search(text) is not None


def check_event(event: Event, *, data_bytes_max: int = DATA_BYTES_MAX) -> Violation | None:
    """Check names, grammars, lengths and sizes of everything but the meaning of the data."""
    if (problem := check_subscriber(event.subscriber)) is not None:
        return Violation(QuarantineReason.BAD_KEY, problem, "subscriber")
    violation = (
        _check_required(event)
        or _check_optional(event)
        or _check_extensions(event.extensions)
        or _check_internal(event)
    )
    if violation is not None:
        return violation
    if event.data is not None and len(event.data) > data_bytes_max:
        detail = f"data is above {data_bytes_max} bytes"
        return Violation(QuarantineReason.TOO_LARGE, detail, "data")
    if _attribute_bytes(event) > ATTRIBUTE_BYTES_MAX:
        detail = f"the attributes together are above {ATTRIBUTE_BYTES_MAX} bytes"
        return Violation(QuarantineReason.TOO_LARGE, detail)
    return None


def is_ordinary(event: Event, *, data_bytes_max: int = DATA_BYTES_MAX) -> bool:
    """Ask whether `check_event` has surely nothing to say; False = ask it.

    Most events have nothing but an id, a source, a type and data, and share the latter two.
    """
    media_type = event.datacontenttype
    return (
        event.time is None
        and event.subject is None
        and event.dataschema is None
        and event.target is None
        and event.kind is None
        and not event.extensions
        and (event.data is None or len(event.data) <= data_bytes_max)
        and 1 <= len(event.id) <= ID_CHARS_MAX
        and _VISIBLE.fullmatch(event.id) is not None
        and len(event.source) + len(event.type) + len(event.subscriber) <= _REMEMBERED_CHARS_MAX
        and (media_type is None or len(media_type) <= CONTENT_TYPE_CHARS_MAX)
        and _is_subscriber(event.subscriber)
        and _is_kind(event.source, event.type, media_type)
    )


@functools.lru_cache(maxsize=_REMEMBERED_MAX)
def _is_subscriber(name: str) -> bool:
    return check_subscriber(name) is None


@functools.lru_cache(maxsize=_REMEMBERED_MAX)
def _is_kind(source: str, event_type: str, media_type: str | None) -> bool:
    return (
        len(source) <= SOURCE_CHARS_MAX
        and len(event_type) <= TYPE_CHARS_MAX
        and _VISIBLE.fullmatch(source) is not None
        and _VISIBLE.fullmatch(event_type) is not None
        and (media_type is None or _is_media_type(media_type))
    )


def _bad(attribute: str | None, detail: str) -> Violation:
    return Violation(QuarantineReason.BAD_EVENT, detail, attribute)


def _check_required(event: Event) -> Violation | None:
    for name, value, chars_max in (
        ("id", event.id, ID_CHARS_MAX),
        ("source", event.source, SOURCE_CHARS_MAX),
        ("type", event.type, TYPE_CHARS_MAX),
    ):
        if len(value) > chars_max or _VISIBLE.fullmatch(value) is None:
            return _bad(name, f"{name} is not 1 to {chars_max} visible ASCII characters")
    return None


def _check_optional(event: Event) -> Violation | None:
    if event.time is not None and parse_ms(event.time) is None:
        return _bad("time", "time is not an RFC 3339 timestamp")
    subject = event.subject
    if subject is not None and (
        not 1 <= len(subject) <= SUBJECT_CHARS_MAX or has_forbidden_characters(subject)
    ):
        detail = f"subject is not 1 to {SUBJECT_CHARS_MAX} characters without controls"
        return _bad("subject", detail)
    dataschema = event.dataschema
    if dataschema is not None and (
        len(dataschema) > DATASCHEMA_CHARS_MAX or _VISIBLE.fullmatch(dataschema) is None
    ):
        detail = f"dataschema is not a URI of at most {DATASCHEMA_CHARS_MAX} characters"
        return _bad("dataschema", detail)
    media_type = event.datacontenttype
    if media_type is not None and (
        len(media_type) > CONTENT_TYPE_CHARS_MAX or not _is_media_type(media_type)
    ):
        return _bad("datacontenttype", "the content type is not a media type")
    return None


@functools.lru_cache(maxsize=256)
def _is_media_type(text: str) -> bool:
    """Match the grammar once per type; nearly all events share a few."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def _check_extensions(extensions: dict[str, str]) -> Violation | None:
    if len(extensions) > EXTENSIONS_MAX:
        return _bad(None, f"there are more than {EXTENSIONS_MAX} extensions")
    for name, value in extensions.items():
        if len(name) > EXTENSION_NAME_CHARS_MAX or _EXTENSION_NAME.fullmatch(name) is None:
            detail = f"an extension's name is not 1 to {EXTENSION_NAME_CHARS_MAX} of a-z 0-9"
            return _bad(name, detail)
        if name in _CONTEXT_NAMES:
            return _bad(name, "an extension bears the name of a context attribute")
        if len(value) > EXTENSION_CHARS_MAX or has_forbidden_characters(value):
            rule = f"is not at most {EXTENSION_CHARS_MAX} characters without controls"
            return _bad(name, f"extension {name} {rule}")
    ordering_key = extensions.get("orderingkey")
    if ordering_key is not None and not 1 <= len(ordering_key) <= ORDERING_KEY_CHARS_MAX:
        detail = f"orderingkey is not 1 to {ORDERING_KEY_CHARS_MAX} characters"
        return _bad("orderingkey", detail)
    return None


def _check_internal(event: Event) -> Violation | None:
    if event.target is not None and _TARGET.fullmatch(event.target) is None:
        return _bad(None, "hooklane_target is not the id of a subscription")
    if event.kind is not None and event.kind not in {"test", "replay"}:
        return _bad(None, "hooklane_kind is neither test nor replay")
    return None


def _attribute_bytes(event: Event) -> int:
    """Count UTF-8 bytes of all names and values; what the checks before left is mostly ASCII."""
    total = len(event.id) + len(event.source) + len(event.type) + len(event.dataschema or "")
    if event.subject is not None:
        total += len(event.subject.encode())
    for name, value in event.extensions.items():
        total += len(name) + len(value.encode())
    return total
