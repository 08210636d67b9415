"""What happens to subscribers: put, shown, removed. Pure."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from gateway.api_keys import QuotaBody
from gateway.bodies import METADATA_MAX, Body, parse_body
from gateway.documents import JsonValue
from gateway.problems import Problem, invalid
from gateway.subscriptions import SUBSCRIPTIONS_MAX, RawRecord
from schemas.rfc3339 import format_ms
from schemas.subscribers import SubscriberRecord

NAME_CHARS_MAX: Final = 200


class SubscriberQuotaBody(QuotaBody):
    """Also: how many subscriptions there may be."""

    subscriptions: int | None = Field(default=None, ge=0, le=SUBSCRIPTIONS_MAX)


class SubscriberBody(Body):
    """Everything a client may say about a subscriber."""

    name: str | None = Field(default=None, max_length=NAME_CHARS_MAX)
    metadata: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        Annotated[str, Field(max_length=500)],
    ] = Field(default={}, max_length=METADATA_MAX)
    quota: SubscriberQuotaBody | None = None


def parse_subscriber(members: Mapping[str, JsonValue]) -> SubscriberBody | Problem:
    """Judge a body."""
    body = parse_body(SubscriberBody, members)
    return invalid(body) if isinstance(body, list) else body


def put_subscriber(
    body: SubscriberBody, *, subscriber: str, current: RawRecord | None, version: int, now_ms: int
) -> RawRecord:
    """Make the next record of a subscriber; PUT replaces all that a client may say."""
    now = format_ms(now_ms)
    created_at = now if current is None else current["created_at"]
    return {
        **(current or {}),
        "v": 1,
        "subscriber": subscriber,
        "version": version,
        **body.model_dump(),
        "created_at": created_at,
        "updated_at": now,
        "deleted": False,
    }


def with_quota_of(record: RawRecord, current: RawRecord | None) -> RawRecord | None:
    """Keep the quota as it is, for whom it limits; None when the record asks for another one."""
    quota = None if current is None else current.get("quota")
    if record["quota"] is not None and record["quota"] != quota:
        return None
    return {**record, "quota": quota}


def deleted(raw: RawRecord, *, version: int, now_ms: int) -> RawRecord:
    """Mark a record deleted; its version goes on, so that no ETag ever means two things."""
    return {**raw, "version": version, "updated_at": format_ms(now_ms), "deleted": True}


def subscriptions_max(record: SubscriberRecord | None) -> int:
    """Give how many subscriptions a subscriber may have."""
    quota = record.quota if record is not None else None
    if quota is None or quota.subscriptions is None:
        return SUBSCRIPTIONS_MAX
    return quota.subscriptions


def subscriber_view(
    subscriber: str, record: SubscriberRecord | None, *, subscriptions: int
) -> dict[str, object]:
    """Show a subscriber; without a record it has version 0 and the defaults."""
    quota = record.quota if record is not None else None
    return {
        "subscriber": subscriber,
        "name": record.name if record is not None else None,
        "metadata": record.metadata if record is not None else {},
        "quota": quota
        and {
            "events_per_second": quota.events_per_second,
            "burst": quota.burst,
            "subscriptions": quota.subscriptions,
        },
        "subscriptions": subscriptions,
        "version": record.version if record is not None else 0,
        "created_at": record.created_at if record is not None else None,
        "updated_at": record.updated_at if record is not None else None,
    }
