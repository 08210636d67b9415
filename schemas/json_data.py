"""Read the data of an event as JSON, when it is JSON.

Total on any bytes: numbers that no float can hold become infinite instead of making the whole data
unreadable, as JSON allows them and receivers get them byte for byte.
"""

import json
import math

import msgspec

from schemas.cloudevents import is_json_type
from schemas.event import Event

INTEGER_DIGITS_MAX = 4_000
"""More digits than this cost quadratic time to read."""


class NotJson:
    """The type of `NOT_JSON`."""


NOT_JSON = NotJson()

_DECODER = msgspec.json.Decoder()


def json_data(event: Event) -> object:
    """Return the data of an event, or NOT_JSON; an event without data has none.

    A content type that is not JSON decides; without one, data that reads as JSON is JSON.
    """
    content_type = event.datacontenttype
    if event.data is None or (content_type is not None and not is_json_type(content_type)):
        return NOT_JSON
    return read_json(event.data)


def read_json(raw: bytes) -> object:
    """Read one JSON document, or return NOT_JSON."""
    try:
        return _DECODER.decode(raw)
    except msgspec.ValidationError:
        return _read_large_numbers(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOT_JSON


def _read_large_numbers(raw: bytes) -> object:
    try:
        value: object = json.loads(raw.decode(), parse_int=_integer, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()  # raises for a lone surrogate
    except (ValueError, RecursionError):
        return NOT_JSON
    return value


def _integer(digits: str) -> int | float:
    if len(digits) <= INTEGER_DIGITS_MAX:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def _refuse(constant: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")
