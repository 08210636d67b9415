"""The shape of what clients send about subscriptions: fields, types, limits. Pure.

pydantic checks shape and limits; `gateway.subscriptions` knows what the fields mean together.
Nothing is coerced (`"5"` is not 5), unknown members are errors, and no message repeats a value.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from chassis.outbound_headers import check_custom_header
from gateway.documents import JsonValue
from gateway.problems import FieldError, pointer_of
from schemas.filters import compile_filter
from schemas.registry import MAX_AGE_S, SCHEDULE_S

EVENT_TYPES_MAX: Final = 100
HEADERS_MAX: Final = 20
METADATA_MAX: Final = 50
READ_ONLY: Final = frozenset(
    {"id", "subscriber", "version", "created_at", "updated_at", "status_reason", "public_key"}
)

_EVENT_TYPE: Final = re.compile(r"\*|(?:[\x21-\x29\x2b-\x7e]+\.)\*|[\x21-\x29\x2b-\x7e]+")
_EVENT_TYPE_CHARS_MAX: Final = 256
_KEY_LOCATION: Final = "[key]"


def _check_event_type(pattern: str) -> str:
    if len(pattern) > _EVENT_TYPE_CHARS_MAX or not _EVENT_TYPE.fullmatch(pattern):
        raise ValueError(
            "an event type is exact, ends in `.*`, or is `*`: visible ASCII,"
            f" at most {_EVENT_TYPE_CHARS_MAX} characters"
        )
    return pattern


class Body(BaseModel):
    """Nothing is coerced, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


EventTypes = Annotated[
    list[Annotated[str, AfterValidator(_check_event_type)]],
    Field(min_length=1, max_length=EVENT_TYPES_MAX),
]


class RetryBody(Body):
    """When a failed delivery is tried again, and when it is given up."""

    schedule_s: list[Annotated[float, Field(ge=0.1, le=86_400)]] = Field(
        default=list(SCHEDULE_S), max_length=24
    )
    max_age_s: int = Field(default=MAX_AGE_S, ge=60, le=MAX_AGE_S)


class RateLimitBody(Body):
    """Attempts per second, and how many may come at once (default: one second's worth)."""

    per_second: float = Field(ge=0.01, le=10_000)
    burst: int | None = Field(default=None, ge=1, le=10_000)


class SubscriptionBody(Body):
    """Everything a client may say about a subscription."""

    url: str
    event_types: EventTypes = ["*"]
    filter: dict[str, object] | None = None
    headers: dict[str, str] = Field(default={}, max_length=HEADERS_MAX)
    description: str | None = Field(default=None, max_length=1_024)
    metadata: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        Annotated[str, Field(max_length=500)],
    ] = Field(default={}, max_length=METADATA_MAX)
    secret: str | None = None
    signature: Literal["v1", "v1a"] = "v1"
    ordering: Literal["strict", "none"] = "strict"
    retry: RetryBody = RetryBody()
    rate_limit: RateLimitBody | None = None
    max_in_flight: int = Field(default=8, ge=1, le=1_000)
    timeout_s: float = Field(default=15.0, ge=1, le=30)
    format: Literal["binary", "structured"] = "binary"
    status: Literal["active", "paused", "disabled"] = "active"


class FilterTestBody(Body):
    """A filter to try on an event; `event` is judged like one that is sent."""

    filter: dict[str, object] | None = None
    event_types: EventTypes = ["*"]
    event: dict[str, object]


FIELDS: Final = frozenset(SubscriptionBody.model_fields)
BodyT = TypeVar("BodyT", bound="Body")


def unexpected_members(members: Mapping[str, JsonValue]) -> list[FieldError]:
    """Find the members that no client may set."""
    errors = []
    for name in members:
        if name in READ_ONLY:
            errors.append(FieldError(pointer_of(name), "this field is read-only"))
        elif name not in FIELDS:
            errors.append(FieldError(pointer_of(name), "there is no such field"))
    return errors


def parse_subscription(members: Mapping[str, JsonValue]) -> SubscriptionBody | list[FieldError]:
    """Check the shape of a whole subscription; what a filter means is judged by `filter_errors`."""
    body = parse_body(SubscriptionBody, members)
    if isinstance(body, list):
        return body
    return broken_headers(body.headers) or body


def filter_errors(document: object) -> list[FieldError]:
    """Find what is wrong with a filter, by the engine that will run it; null is no filter."""
    if document is None:
        return []
    compiled = compile_filter(document)
    if not isinstance(compiled, list):
        return []
    return [FieldError("/filter" + error.pointer, error.detail) for error in compiled]


def broken_headers(headers: Mapping[str, str]) -> list[FieldError]:
    """Find the headers that may not be added to a delivery."""
    errors, seen = [], set()
    for name, value in headers.items():
        reason = check_custom_header(name, value)
        if reason is None and name.lower() in seen:
            reason = "the name occurs twice (names ignore case)"
        if reason is not None:
            errors.append(FieldError(pointer_of("headers", name), reason))
        seen.add(name.lower())
    return errors


def parse_body(model: type[BodyT], members: Mapping[str, JsonValue]) -> BodyT | list[FieldError]:
    """Check the shape of a body; unknown members are errors."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        return [_field_error(one) for one in details]


def _field_error(details: ErrorDetails) -> FieldError:
    where = [part for part in details["loc"] if part != _KEY_LOCATION]
    text = details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        text = "there is no such field"
    elif details["type"] == "missing":
        text = "this field is required"
    return FieldError(pointer_of(*where), text)
