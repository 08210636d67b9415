"""Our own JSON shape of an event, read in one pass when a document is compact and good. Pure."""

from typing import Final

import msgspec
import orjson

from gateway.documents import DEPTH_MAX, check_json


class NativeEvent(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """The fields as they were sent; `data` is empty when there is none."""

    subscriber: str
    type: str
    id: str | None = None
    source: str | None = None
    time: str | None = None
    subject: str | None = None
    ordering_key: str | None = None
    data: msgspec.Raw = msgspec.Raw()


NATIVE_FIELDS: Final = NativeEvent.__struct_fields__

_DECODER: Final = msgspec.json.Decoder(NativeEvent)
_BATCH_DECODER: Final = msgspec.json.Decoder(list[NativeEvent])
# Text that is not UTF-8 is no DecodeError to msgspec.
_NOT_PLAIN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FRAME_BYTES: Final = len('"":,')
"""What a member takes beside its name and its value; the last comma stands for a brace."""
_TEXT_FRAME_BYTES: Final = _FRAME_BYTES + len('""')
_ALWAYS_BYTES: Final = len("{subscribertype") + 2 * _TEXT_FRAME_BYTES
_DATA_BYTES: Final = len("data") + _FRAME_BYTES
_ID_BYTES: Final = len("id") + _TEXT_FRAME_BYTES
_NO_OPENERS: Final = bytes(byte for byte in range(256) if byte not in b"[{")
"""All bytes that begin no level: to delete them counts the others in one pass."""


def read_plain(raw: bytes) -> NativeEvent | None:
    """Read a document without blanks and escapes; None = it needs a closer look.

    The parser lets a repeated name pass. So every byte must be accounted for by what it decoded: a
    repetition, a blank or an escape leaves some over. The data, which it skips, is still to be
    judged: see `is_sound`.
    """
    try:
        event = _DECODER.decode(raw)
    except _NOT_PLAIN:
        return None
    return event if _least_bytes(event) == len(raw) else None


def read_plain_batch(raw: bytes) -> list[NativeEvent] | None:
    """Read an array of such documents; None = one of them needs a closer look."""
    try:
        events = _BATCH_DECODER.decode(raw)
    except _NOT_PLAIN:
        return None
    size = len("[]") + len(events) - 1 + sum(map(_least_bytes, events))
    return events if size == len(raw) else None


def is_sound(data: bytes) -> bool:
    """Ask whether the data of a document is JSON that we take, one level below the envelope."""
    if len(data.translate(None, _NO_OPENERS)) >= DEPTH_MAX:
        return check_json(data, depth_max=DEPTH_MAX - 1) is None
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _least_bytes(event: NativeEvent) -> int:
    """Count what a document of these fields has at least."""
    size = _ALWAYS_BYTES + _utf8_bytes(event.subscriber) + _utf8_bytes(event.type)
    if event.data:
        size += _DATA_BYTES + len(event.data)
    if event.id is not None:
        size += _ID_BYTES + _utf8_bytes(event.id)
    for name, value in (
        ("source", event.source),
        ("time", event.time),
        ("subject", event.subject),
        ("ordering_key", event.ordering_key),
    ):
        if value is not None:
            size += len(name) + _TEXT_FRAME_BYTES + _utf8_bytes(value)
    return size


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
