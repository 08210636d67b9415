"""The shapes of OpenAPI that no model of a body gives: events, and everything that is answered.

Data, in JSON Schema 2020-12. Limits are the constants that the parsers use, and a test holds real
answers of every call against these shapes.
"""

from typing import Final, TypeAlias

from gateway.admission import DEFAULT_SOURCE
from gateway.handlers.events import BATCH_ITEMS_MAX
from gateway.problems import STATUS, Code
from schemas.event import (
    ID_CHARS_MAX,
    ORDERING_KEY_CHARS_MAX,
    SOURCE_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    TYPE_CHARS_MAX,
)

Shape: TypeAlias = dict[str, object]

SUBSCRIBER_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
_VISIBLE: Final = "^[\\x21-\\x7e]+$"
_TEXT: Final[Shape] = {"type": "string"}
_NUMBER: Final[Shape] = {"type": "integer", "minimum": 0}
_TIME: Final[Shape] = {"type": "string", "format": "date-time"}
_SUBSCRIBER: Final[Shape] = {"type": "string", "pattern": SUBSCRIBER_PATTERN}
_AS_TEXT: Final = ({"type": "integer"}, {"type": "boolean"}, {"type": "null"})
_SECRET_NOTE: Final = "`whsec_` + base64 (HMAC-SHA256) or `whsk_` + base64 (Ed25519)."


def ref(name: str) -> Shape:
    """Point to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(shape: Shape) -> Shape:
    """Let a shape be null too."""
    return {"anyOf": [shape, {"type": "null"}]}


def closed(properties: Shape, *, optional: frozenset[str] = frozenset()) -> Shape:
    """Make an object of which all members but the optional ones are always there."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def page_of_shape(item: str) -> Shape:
    """Make a page of a list."""
    items: Shape = {"type": "array", "items": ref(item)}
    return closed({"items": items, "next_cursor": nullable(_TEXT)})


def _visible(chars_max: int) -> Shape:
    return {"type": "string", "pattern": _VISIBLE, "maxLength": chars_max}


def _text(chars_max: int) -> Shape:
    return {"type": "string", "minLength": 1, "maxLength": chars_max}


def _array(item: Shape, *, at_most: int | None = None) -> Shape:
    bounds: Shape = {} if at_most is None else {"minItems": 1, "maxItems": at_most}
    return {"type": "array", "items": item, **bounds}


_EVENT: Final[Shape] = {
    "type": "object",
    "description": "An event in our own shape. Null is the same as leaving a member out.",
    "required": ["subscriber", "type"],
    "additionalProperties": False,
    "properties": {
        "subscriber": _SUBSCRIBER,
        "type": _visible(TYPE_CHARS_MAX),
        "data": {"description": "Any JSON; delivered byte for byte as it was sent."},
        "id": nullable(_visible(ID_CHARS_MAX)),
        "source": nullable({**_visible(SOURCE_CHARS_MAX), "default": DEFAULT_SOURCE}),
        "time": nullable(_TIME),
        "subject": nullable(_text(SUBJECT_CHARS_MAX)),
        "ordering_key": nullable(_text(ORDERING_KEY_CHARS_MAX)),
    },
}
_CLOUD_EVENT: Final[Shape] = {
    "type": "object",
    "description": "A CloudEvent 1.0 in JSON; the extension `subscriber` says for whom it is.",
    "required": ["specversion", "id", "source", "type", "subscriber"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _visible(ID_CHARS_MAX),
        "source": _visible(SOURCE_CHARS_MAX),
        "type": _visible(TYPE_CHARS_MAX),
        "subscriber": {"anyOf": [_SUBSCRIBER, *_AS_TEXT]},
        "orderingkey": {"anyOf": [_text(ORDERING_KEY_CHARS_MAX), *_AS_TEXT]},
    },
    "additionalProperties": True,
}
_IDS: Final[Shape] = {"id": _TEXT, "webhook_id": _TEXT}
_PLACE: Final[Shape] = {"partition": _NUMBER, "offset": _NUMBER}
_POINTER_NOTE: Final = "A JSON pointer into the body, or `/` and the name of a header: `/ce-id`."
_WARNINGS: Final[Shape] = {"warnings": _array(ref("FieldError"))}
_SENT: Final[Shape] = closed(
    {**_IDS, "subscriber": _TEXT, **_PLACE, **_WARNINGS}, optional=frozenset({"warnings"})
)
_ITEM: Final[Shape] = closed(
    {
        "index": _NUMBER,
        "status": {"type": "integer"},
        **_IDS,
        **_PLACE,
        **_WARNINGS,
        "code": ref("Code"),
        "detail": _TEXT,
    },
    optional=frozenset({*_IDS, *_PLACE, *_WARNINGS, "code", "detail"}),
)
_ITEMS_NOTE: Final = (
    "Of a batch of which no item was accepted. The status is that of the first item for which a"
    " repeat may help (429, 503), if there is one, else 422."
)
_PROBLEM: Final[Shape] = closed(
    {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": ref("Code"),
        "errors": _array(ref("FieldError")),
        **_IDS,
        "items": {**_array(ref("BatchItem")), "description": _ITEMS_NOTE},
    },
    optional=frozenset({"errors", *_IDS, "items"}),
)
_VERSIONED: Final[Shape] = {"version": _NUMBER, "created_at": _TIME, "updated_at": _TIME}
_QUOTA: Final[Shape] = {"events_per_second": {"type": "number"}, "burst": nullable(_NUMBER)}
_SUBSCRIBER_SHAPE: Final[Shape] = closed(
    {
        "subscriber": _TEXT,
        "name": nullable(_TEXT),
        "metadata": {"type": "object", "additionalProperties": _TEXT},
        "quota": nullable(closed({**_QUOTA, "subscriptions": nullable(_NUMBER)})),
        "subscriptions": {**_NUMBER, "description": "How many there are."},
        "version": {**_NUMBER, "description": "0 when there is no record, only subscriptions."},
        "created_at": nullable(_TIME),
        "updated_at": nullable(_TIME),
    }
)
_EVENT_TYPE: Final[Shape] = closed(
    {
        "name": _TEXT,
        "description": nullable(_TEXT),
        "schema": {"description": "A JSON Schema, or null."},
        "validation": {"enum": ["off", "warn", "enforce"]},
        "example": {"description": "Any JSON."},
        **_VERSIONED,
    }
)
_KEY: Final[Shape] = {
    "id": _TEXT,
    "name": _TEXT,
    "scopes": _array(_TEXT),
    "subscriber": nullable(_TEXT),
    "expires_at": nullable(_TIME),
    "quota": nullable(closed(_QUOTA)),
    "version": _NUMBER,
    "created_at": _TIME,
}
_SECRET: Final[Shape] = closed(
    {
        "secret": {**_TEXT, "description": _SECRET_NOTE},
        "previous": closed({"secret": _TEXT, "expires_at": _TIME}),
        "public_key": {**_TEXT, "description": "`whpk_` + base64; of an Ed25519 secret."},
    },
    optional=frozenset({"previous", "public_key"}),
)

SHAPES: Final[dict[str, Shape]] = {
    "Event": _EVENT,
    "EventBatch": _array(ref("Event"), at_most=BATCH_ITEMS_MAX),
    "CloudEvent": _CLOUD_EVENT,
    "CloudEventBatch": _array(ref("CloudEvent"), at_most=BATCH_ITEMS_MAX),
    "BinaryData": {"description": "The data of a binary CloudEvent; `ce-*` headers say the rest."},
    "Nothing": {"type": "object", "additionalProperties": False},
    "Sent": _SENT,
    "BatchItem": _ITEM,
    "BatchSent": closed({"items": _array(ref("BatchItem"))}),
    "SentOrBatch": {"oneOf": [ref("Sent"), ref("BatchSent")]},
    "TestSent": closed({"webhook_id": _TEXT}),
    "FilterVerdict": closed({"matches": {"type": "boolean"}, "why": _array(_TEXT)}),
    "FieldError": closed({"pointer": {**_TEXT, "description": _POINTER_NOTE}, "detail": _TEXT}),
    "Code": {"type": "string", "enum": [str(code) for code in Code]},
    "Problem": _PROBLEM,
    "Secret": _SECRET,
    "SubscriptionPage": page_of_shape("Subscription"),
    "Subscriber": _SUBSCRIBER_SHAPE,
    "SubscriberPage": page_of_shape("Subscriber"),
    "EventType": _EVENT_TYPE,
    "EventTypePage": page_of_shape("EventType"),
    "Key": closed(_KEY),
    "NewKey": closed({**_KEY, "key": {**_TEXT, "description": "Shown this once only."}}),
    "KeyPage": page_of_shape("Key"),
    "OpenApi": {"type": "object", "description": "OpenAPI 3.1."},
}
STATUS_OF_CODE: Final = {code: int(status) for code, status in STATUS.items()}
