"""Our own JSON shape of an event, read in one pass when a document is compact and good. Pure."""

from typing import Final

import msgspec

from gateway.documents import check_json


class NativeEvent(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
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
_FRAME_BYTES: Final = len('"":,')
"""What a member takes beside its name and its value; the last comma stands for a brace."""
_TEXT_FRAME_BYTES: Final = _FRAME_BYTES + len('""')
_ALWAYS_BYTES: Final = len("{subscribertype") + 2 * _TEXT_FRAME_BYTES
_DATA_BYTES: Final = len("data") + _FRAME_BYTES
_ID_BYTES: Final = len("id") + _TEXT_FRAME_BYTES
_OPTIONAL: Final = tuple(
    (name, len(name) + _TEXT_FRAME_BYTES) for name in ("source", "time", "subject", "ordering_key")
)


def read_plain(raw: bytes) -> NativeEvent | None:
    """Read a document without blanks and escapes; None = it needs a closer look.

    The parser lets a repeated name pass. So every byte must be accounted for by what it decoded: a
    repetition, a blank or an escape leaves some over. The data, which it skips, is judged as well.
    """
    try:
        event = _DECODER.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    size = _ALWAYS_BYTES + _utf8_bytes(event.subscriber) + _utf8_bytes(event.type)
    if event.data:
        size += _DATA_BYTES + len(event.data)
    if event.id is not None:
        size += _ID_BYTES + _utf8_bytes(event.id)
    if size < len(raw):
        for name, frame_bytes in _OPTIONAL:
            value: str | None = getattr(event, name)
            if value is not None:
                size += frame_bytes + _utf8_bytes(value)
    if size != len(raw) or check_json(raw) is not None:
        return None
    return event


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
