"""What the handlers of subscriptions look up before anything else."""

from typing import Final

from aiohttp import hdrs, web

from gateway.preconditions import IfMatch, parse_if_match
from gateway.problems import Code, Problem, RefusedError
from gateway.registry import Registry, Stored
from gateway.subscriptions import Current
from schemas.registry import SubscriptionRecord

SEALED_AWAY: Final = Problem(
    Code.CONFLICT, "the subscription is sealed with a key that this gateway does not have"
)
_OTHER_VERSION: Final = Problem(
    Code.VERSION_MISMATCH, "the resource has another version than If-Match names"
)


def find_subscription(request: web.Request, registry: Registry) -> Stored[SubscriptionRecord]:
    """Find the subscription that the path names; 404 when there is none."""
    place = request.match_info
    stored = registry.find(place["subscriber"], place["subscription"])
    if stored is None:
        raise RefusedError(Problem(Code.NOT_FOUND, "there is no such subscription"))
    return stored


def find_current(request: web.Request, registry: Registry, condition: IfMatch) -> Current:
    """Find it with what is sealed in it; 412 for another version, 409 when it does not open."""
    stored = find_subscription(request, registry)
    require_version(condition, stored.record.version)
    sealed = registry.unseal(stored.record)
    if sealed is None:
        raise RefusedError(SEALED_AWAY)
    return Current(stored.record, stored.raw(), sealed, stored.appended_at)


def require_version(condition: IfMatch, version: int) -> None:
    """Refuse when the client has seen another version."""
    if not condition.holds_for(version):
        raise RefusedError(_OTHER_VERSION)


def require_existing(request: web.Request, condition: IfMatch) -> None:
    """Refuse any If-Match, `*` too, for what does not exist."""
    if condition.is_specific or hdrs.IF_MATCH in request.headers:
        raise RefusedError(_OTHER_VERSION)


def condition_of(request: web.Request) -> IfMatch:
    """Read If-Match."""
    values = request.headers.getall(hdrs.IF_MATCH, [])
    condition = parse_if_match(", ".join(values) if values else None)
    if condition is None:
        raise RefusedError(Problem(Code.INVALID_REQUEST, "If-Match is malformed"))
    return condition
