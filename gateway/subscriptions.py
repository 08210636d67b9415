"""What happens to a subscription: created, patched, deleted, shown. Pure.

A record is edited as the raw JSON object it is in the registry, so that fields which a later
version of hooklane wrote survive a write by this one.

Lane epochs (PROTOCOL R2). Disabling raises `lane_epoch` and sets `drop_before` to it: all that
waits is dropped. A change of `ordering` only raises `lane_epoch`; `orderings` remembers the mode of
the epochs that still drain. `enabled_at` is null in the record that enables a subscription, which
means "the append time of this very record"; every later version carries that time as a number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from chassis.egress import EgressPolicy, UrlRefused, admit_url
from gateway.bodies import (
    SubscriptionBody,
    filter_errors,
    parse_subscription,
    unexpected_members,
)
from gateway.documents import JsonValue
from gateway.problems import Code, FieldError, Problem, invalid
from gateway.signing_secrets import Signature, check_secret, make_secret, public_key_of
from schemas.registry import SealedFields, SubscriptionRecord
from schemas.rfc3339 import format_ms

MASK: Final = "***"
SUBSCRIPTIONS_MAX: Final = 1_000
OLD_EPOCHS_MAX: Final = 100

_SEALED: Final = frozenset({"url", "headers", "secret"})
_MERGED_BY_NAME: Final = frozenset({"headers", "metadata"})
_MERGED_OBJECTS: Final = frozenset({"retry", "rate_limit"})
_FIRST_EPOCH: Final = 1

RawRecord = dict[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """A record to write, and what to seal into it; None keeps what is sealed in it already."""

    record: RawRecord
    sealed: SealedFields | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules need beside the request: the egress policy and fresh random bytes."""

    egress: EgressPolicy
    random_bytes: Callable[[int], bytes]

    def secret_for(self, signature: Signature) -> str:
        """Make a new secret of the kind a signature needs."""
        return make_secret(signature, self.random_bytes(32))


@dataclass(frozen=True, slots=True)
class Current:
    """The subscription as it stands; `appended_at` is the append time of its record (ms)."""

    record: SubscriptionRecord
    raw: RawRecord
    sealed: SealedFields
    appended_at: int | None


def parse_create(members: Mapping[str, JsonValue], rules: Rules) -> SubscriptionBody | Problem:
    """Judge the body of a creation; the answer always holds a secret."""
    errors = unexpected_members(members) + filter_errors(members.get("filter"))
    if errors:
        return invalid(errors)
    body = parse_subscription(members)
    if isinstance(body, list):
        return invalid(body)
    if body.secret is None:
        body = body.model_copy(update={"secret": rules.secret_for(body.signature)})
    return _secret_problem(body) or _url_problem(body.url, rules) or body


def create(body: SubscriptionBody, *, subscriber: str, subscription_id: str, now_ms: int) -> Change:
    """Make the first record of a subscription."""
    now = format_ms(now_ms)
    record: RawRecord = {
        "v": 1,
        "id": subscription_id,
        "subscriber": subscriber,
        "version": 1,
        **_open_fields(body),
        "status_reason": _reason_of(body.status),
        "lane_epoch": _FIRST_EPOCH,
        "drop_before": _FIRST_EPOCH,
        "orderings": {},
        "created_at": now,
        "updated_at": now,
        "enabled_at": None,
        "deleted": False,
    }
    sealed = SealedFields(url=body.url, headers=body.headers, secret=body.secret or "")
    return Change(record, sealed)


def patch(
    current: Current, members: Mapping[str, JsonValue], rules: Rules, *, now_ms: int
) -> Change | Problem:
    """Apply a merge patch: null restores a default, `headers` and `metadata` merge by name."""
    errors = unexpected_members(members) + filter_errors(members.get("filter"))
    if errors:
        return invalid(errors)
    body = parse_subscription(_merge(current, members))
    if isinstance(body, list):
        return invalid(body)
    if "url" in members and (problem := _url_problem(body.url, rules)):
        return problem
    secret = _patched_secret(current, body, members, rules)
    if isinstance(secret, Problem):
        return secret
    record = dict(current.raw)
    open_fields = _open_fields(body)
    record.update({name: open_fields[name] for name in members if name in open_fields})
    if not _move_lanes(current.record, body, record):
        return Problem(
            Code.CONFLICT, "`ordering` was changed too often: disable it once in between"
        )
    stamp(record, current, now_ms)
    if current.record.status == "disabled" and body.status != "disabled":
        record["enabled_at"] = None
    if not _SEALED & members.keys() and secret == current.sealed.secret:
        return Change(record, None)
    return Change(record, _resealed(current.sealed, body, secret))


def delete(current: Current, *, now_ms: int) -> Change:
    """Mark a subscription deleted; its tombstone follows when every reader has seen this."""
    record = dict(current.raw)
    record["deleted"] = True
    record["sealed"] = ""  # nobody opens it again, so nobody needs to keep it
    stamp(record, current, now_ms)
    return Change(record, None)


def view(record: SubscriptionRecord, sealed: SealedFields | None) -> dict[str, object]:
    """Show a subscription; header values are masked, a record that cannot be opened says so."""
    rate_limit = record.rate_limit
    is_closed = sealed is None and record.status != "disabled"
    return {
        "id": record.id,
        "subscriber": record.subscriber,
        "url": sealed.url if sealed else None,
        "event_types": record.event_types,
        "filter": record.filter,
        "headers": dict.fromkeys(sealed.headers, MASK) if sealed else {},
        "description": record.description,
        "metadata": record.metadata,
        "signature": record.signature,
        "ordering": record.ordering,
        "retry": {
            "schedule_s": [_plain(delay_s) for delay_s in record.retry.schedule_s],
            "max_age_s": record.retry.max_age_s,
        },
        "rate_limit": {"per_second": _plain(rate_limit.per_second), "burst": rate_limit.burst}
        if rate_limit
        else None,
        "max_in_flight": record.max_in_flight,
        "timeout_s": _plain(record.timeout_s),
        "format": record.format,
        "status": "paused" if is_closed else record.status,
        "status_reason": "vault" if is_closed else record.status_reason,
        "version": record.version,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def secret_view(sealed: SealedFields, *, now_ms: int) -> dict[str, object]:
    """Show the secret, the previous one while it still signs, and the public key if there is."""
    answer: dict[str, object] = {"secret": sealed.secret}
    alive = [one for one in sealed.previous if one.expires_at > now_ms]
    if alive:
        latest = max(alive, key=lambda one: one.expires_at)
        answer["previous"] = {
            "secret": latest.secret,
            "expires_at": format_ms(latest.expires_at),
        }
    public_key = public_key_of(sealed.secret)
    if public_key is not None:
        answer["public_key"] = public_key
    return answer


def _plain(number: float) -> float:
    """Write 5, not 5.0."""
    return int(number) if number == int(number) else number


def _secret_problem(body: SubscriptionBody) -> Problem | None:
    reason = check_secret(body.signature, body.secret or "")
    return invalid([FieldError("/secret", reason)]) if reason else None


def _url_problem(url: str, rules: Rules) -> Problem | None:
    admitted = admit_url(url, rules.egress)
    if not isinstance(admitted, UrlRefused):
        return None
    error = FieldError("/url", admitted.detail)
    return Problem(Code.URL_NOT_ALLOWED, admitted.detail, (error,))


def _merge(current: Current, members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Lay a patch over the fields as a client would have sent them; a removed one is default."""
    record, sealed = current.record, current.sealed
    fields = cast("dict[str, JsonValue]", view(record, sealed))
    merged = {name: fields[name] for name in SubscriptionBody.model_fields if name in fields}
    merged["headers"] = dict(sealed.headers)
    for name, value in members.items():
        old = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif name in _MERGED_BY_NAME and isinstance(value, dict) and isinstance(old, dict):
            merged[name] = _merge_names(old, value, ignores_case=name == "headers")
        elif name in _MERGED_OBJECTS and isinstance(value, dict) and isinstance(old, dict):
            merged[name] = {k: v for k, v in {**old, **value}.items() if v is not None}
        else:
            merged[name] = value
    return merged


def _merge_names(
    old: dict[str, JsonValue], new: dict[str, JsonValue], *, ignores_case: bool
) -> dict[str, JsonValue]:
    """Replace what the patch names and keep the rest; null removes."""
    touched = {name.lower() if ignores_case else name for name in new}
    kept = {k: v for k, v in old.items() if (k.lower() if ignores_case else k) not in touched}
    return kept | {name: value for name, value in new.items() if value is not None}


def _patched_secret(
    current: Current, body: SubscriptionBody, members: Mapping[str, JsonValue], rules: Rules
) -> str | Problem:
    """Choose the secret after a patch: given, kept, or new when null or of another kind."""
    if body.secret is not None:
        return _secret_problem(body) or body.secret
    is_kept = "secret" not in members and body.signature == current.record.signature
    return current.sealed.secret if is_kept else rules.secret_for(body.signature)


def _resealed(old: SealedFields, body: SubscriptionBody, secret: str) -> SealedFields:
    """Replace the sealed fields; a secret replaced by PATCH stops signing at once."""
    previous = old.previous if secret == old.secret else []
    return SealedFields(url=body.url, headers=body.headers, secret=secret, previous=previous)


def _open_fields(body: SubscriptionBody) -> dict[str, object]:
    return body.model_dump(exclude=set(_SEALED))


def _reason_of(status: str) -> str | None:
    return None if status == "active" else "manual"


def _move_lanes(old: SubscriptionRecord, body: SubscriptionBody, record: RawRecord) -> bool:
    """Raise the lane epoch where R2 asks for it; False when too many old epochs still drain."""
    if body.status != old.status:
        record["status_reason"] = _reason_of(body.status)
    if body.status == "disabled" and old.status != "disabled":
        record["lane_epoch"] = record["drop_before"] = old.lane_epoch + 1
        record["orderings"] = {}
    elif body.ordering != old.ordering:
        if len(old.orderings) >= OLD_EPOCHS_MAX:
            return False
        record["lane_epoch"] = old.lane_epoch + 1
        record["orderings"] = {**old.orderings, str(old.lane_epoch): old.ordering}
    return True


def stamp(record: RawRecord, current: Current, now_ms: int) -> None:
    """Give an edited record its next version."""
    record["version"] = current.record.version + 1
    record["updated_at"] = format_ms(now_ms)
    if current.record.enabled_at is None:
        record["enabled_at"] = current.appended_at
