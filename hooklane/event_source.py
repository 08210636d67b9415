"""Events as they come from a person: flags, a file, lines. Pure.

Bytes of events are cut out and joined, never parsed and written again: a round trip would change
numbers beyond 64 bits, and `data` is delivered byte for byte.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import msgspec

BATCH_ITEMS_MAX: Final = 1_000
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)


class SourceInvalid(ValueError):
    """What was given is no event; the text says where and never quotes data."""


@dataclass(frozen=True, slots=True)
class Events:
    """The raw JSON of each event; one that stood alone is sent alone."""

    items: Sequence[bytes]
    is_single: bool

    @property
    def is_cloudevents(self) -> bool:
        """Whether the first one is a CloudEvent document instead of our native shape."""
        return "specversion" in _OBJECT.decode(self.items[0])


def compose_event(fields: Mapping[str, str], data: bytes | None) -> Events:
    """Make one event of its fields; `data` goes in as it stands."""
    parts = [f"{json.dumps(name)}:{json.dumps(value)}".encode() for name, value in fields.items()]
    if data is not None:
        try:
            _ANY.decode(data)
            data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SourceInvalid(
                "the data is not JSON; a text needs its quotes: --data '\"hello\"'"
            ) from None
        parts.append(b'"data":' + data.strip())
    return Events((b"{" + b",".join(parts) + b"}",), is_single=True)


def read_events(raw: bytes) -> Events:
    """Read one JSON object, an array of them, or one a line."""
    whole = raw.removeprefix(b"\xef\xbb\xbf")
    text = whole.strip()
    if not text:
        raise SourceInvalid("there is no event in it")
    _check_utf8(whole)
    if text.startswith(b"["):
        return Events(_array(text), is_single=False)
    if _is_object(text):
        return Events((text,), is_single=True)
    return Events(_lines(whole), is_single=False)


def batches(items: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut into batches that the gateway takes: by count, and by bytes with room to spare."""
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (len(batch) == BATCH_ITEMS_MAX or size + len(item) > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield batch


def joined(items: Sequence[bytes]) -> bytes:
    """Write items as one JSON array."""
    return b"[" + b",".join(items) + b"]"


def _check_utf8(whole: bytes) -> None:
    """Decode line after line, so that one line is copied at a time; count them as `_lines` does."""
    at = 0
    for line in BytesIO(whole):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            number = len((whole[: at + error.start] + b".").splitlines())
            raise SourceInvalid(f"line {number} is not UTF-8") from None
        at += len(line)


def _array(text: bytes) -> list[bytes]:
    try:
        items = [bytes(item) for item in _ARRAY.decode(text)]
    except (msgspec.DecodeError, RecursionError):
        raise SourceInvalid("it begins like a JSON array and is none") from None
    if not items:
        raise SourceInvalid("the array is empty")
    for index, item in enumerate(items):
        if not _is_object(item):
            raise SourceInvalid(f"item {index} is not a JSON object")
    return items


def _lines(text: bytes) -> list[bytes]:
    items: list[bytes] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if not _is_object(line):
            hint = "" if items else ": neither an object, nor an array, nor one event a line"
            raise SourceInvalid(f"line {number} is not a JSON object{hint}")
        items.append(line.strip())
    return items


def _is_object(text: bytes) -> bool:
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
