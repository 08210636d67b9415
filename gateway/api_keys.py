"""What happens to API keys: made, shown, revoked. Pure."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from gateway.auth import Principal, digest_of
from gateway.bodies import Body, parse_body
from gateway.documents import JsonValue
from gateway.problems import Code, FieldError, Problem, invalid
from gateway.subscriptions import RawRecord
from schemas.api_keys import ApiKeyRecord, Scope
from schemas.event import check_subscriber
from schemas.ids import crockford
from schemas.rfc3339 import format_ms, parse_ms

NAME_CHARS_MAX: Final = 200
SECRET_BYTES: Final = 32


class QuotaBody(Body):
    """Events per second, and how many may come at once (default: one second's worth)."""

    events_per_second: float = Field(ge=0.01, le=1_000_000)
    burst: int | None = Field(default=None, ge=1, le=1_000_000)


class KeyBody(Body):
    """Everything a client may say about a new key."""

    name: str = Field(min_length=1, max_length=NAME_CHARS_MAX)
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=20,
        description="`deliveries:read` and `replay` are reserved: no call needs them yet.",
    )
    subscriber: str | None = None
    expires_at: Annotated[
        str | None, Field(json_schema_extra={"format": "date-time"}, max_length=64)
    ] = None
    quota: QuotaBody | None = None


def parse_key(
    members: Mapping[str, JsonValue], maker: Principal, *, now_ms: int
) -> KeyBody | Problem:
    """Judge the body of a creation; a bound key makes keys for its own subscriber only."""
    body = parse_body(KeyBody, members)
    if isinstance(body, list):
        return invalid(body)
    errors = []
    if body.subscriber is not None and (reason := check_subscriber(body.subscriber)):
        errors.append(FieldError("/subscriber", reason))
    if body.expires_at is not None:
        expires_ms = parse_ms(body.expires_at)
        if expires_ms is None:
            errors.append(FieldError("/expires_at", "not an RFC 3339 timestamp"))
        elif expires_ms <= now_ms:
            errors.append(FieldError("/expires_at", "not in the future"))
    if errors:
        return invalid(errors)
    if body.subscriber is None and maker.subscriber is not None:
        return body.model_copy(update={"subscriber": maker.subscriber})
    if not maker.sees(body.subscriber):
        return Problem(Code.NOT_FOUND, "there is no such subscriber")
    return body


def make_token(key_id: str, random_bytes: bytes) -> str:
    """Write a new key: its id, by which it is found, and what only its owner knows."""
    return f"hlk_{key_id}_{crockford(random_bytes)}"


def create_key(body: KeyBody, *, key_id: str, token: str, now_ms: int) -> RawRecord:
    """Make the record of a key, without the key."""
    now = format_ms(now_ms)
    return {
        "v": 1,
        "id": key_id,
        "name": body.name,
        "version": 1,
        "scopes": list(dict.fromkeys(body.scopes)),
        "subscriber": body.subscriber,
        "expires_at": None if body.expires_at is None else parse_ms(body.expires_at),
        "quota": body.quota and body.quota.model_dump(),
        "digest": digest_of(token),
        "created_at": now,
        "updated_at": now,
        "deleted": False,
    }


def revoke_key(raw: RawRecord, record: ApiKeyRecord, *, now_ms: int) -> RawRecord:
    """Mark a key revoked; there is no way back."""
    stamp = {"version": record.version + 1, "updated_at": format_ms(now_ms)}
    return {**raw, **stamp, "deleted": True}


def key_view(record: ApiKeyRecord) -> dict[str, object]:
    """Show a key, without the key."""
    quota = record.quota
    return {
        "id": record.id,
        "name": record.name,
        "scopes": record.scopes,
        "subscriber": record.subscriber,
        "expires_at": None if record.expires_at is None else format_ms(record.expires_at),
        "quota": quota and {"events_per_second": quota.events_per_second, "burst": quota.burst},
        "version": record.version,
        "created_at": record.created_at,
    }
