"""Subscriptions of a subscriber: create, list, show, patch, delete, show the secret."""

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import hdrs, web

from chassis.clock import Clock
from gateway.documents import JsonValue
from gateway.intake import Intake
from gateway.paging import page_of, parse_page
from gateway.preconditions import IfMatch, etag_of, parse_if_match
from gateway.problems import Code, FieldError, Problem, RefusedError
from gateway.reading import MANAGEMENT_BODY_BYTES_MAX, hold_place, read_object
from gateway.registry import Registry, Stored
from gateway.responses import empty_response, json_response
from gateway.signing_secrets import public_key_of
from gateway.subscriptions import (
    SUBSCRIPTIONS_MAX,
    Change,
    Current,
    Rules,
    create,
    delete,
    parse_create,
    patch,
    secret_view,
    view,
)
from schemas.event import check_subscriber
from schemas.registry import SealedFields, SubscriptionRecord

_CREATE_TYPES: Final = frozenset({"application/json"})
_PATCH_TYPES: Final = frozenset({"application/json", "application/merge-patch+json"})


class SubscriptionHandlers:
    """The handlers of `/v1/subscribers/{s}/subscriptions`, and what they work with."""

    def __init__(
        self,
        *,
        registry: Registry,
        rules: Rules,
        clock: Clock,
        fresh_id: Callable[[], str],
        intake: Intake,
        body_timeout_s: float,
    ) -> None:
        self._registry = registry
        self._rules = rules
        self._clock = clock
        self._fresh_id = fresh_id
        self._intake = intake
        self._body_timeout_s = body_timeout_s

    async def create(self, request: web.Request) -> web.Response:
        """Make a subscription; the only answer besides `secret` that shows the secret."""
        subscriber = request.match_info["subscriber"]
        reason = check_subscriber(subscriber)
        if reason is not None:
            problem = Problem(Code.VALIDATION_FAILED, reason, (FieldError("", reason),))
            raise RefusedError(problem)
        members = await self._read(request, _CREATE_TYPES)
        body = parse_create(members, self._rules)
        if isinstance(body, Problem):
            raise RefusedError(body)
        subscription_id = self._fresh_id()

        def decide() -> Change:
            if len(self._registry.ids_of(subscriber)) >= SUBSCRIPTIONS_MAX:
                detail = f"a subscriber has at most {SUBSCRIPTIONS_MAX} subscriptions"
                raise RefusedError(Problem(Code.QUOTA_EXCEEDED, detail))
            return create(
                body,
                subscriber=subscriber,
                subscription_id=subscription_id,
                now_ms=self._clock.now_ms(),
            )

        record = await self._registry.write(subscriber, decide)
        sealed = self._registry.unseal(record)
        answer = view(record, sealed)
        if sealed is not None:
            answer["secret"] = sealed.secret
            if public_key := public_key_of(sealed.secret):
                answer["public_key"] = public_key
        location = f"{request.rel_url.raw_path}/{record.id}"
        headers = {"ETag": etag_of(record.version), "Location": location}
        return json_response(answer, status=web.HTTPCreated.status_code, headers=headers)

    async def list(self, request: web.Request) -> web.Response:
        """Show a page of a subscriber's subscriptions, newest first."""
        page_request = parse_page(list(request.query.items()))
        if isinstance(page_request, Problem):
            raise RefusedError(page_request)
        subscriber = request.match_info["subscriber"]
        page = page_of(self._registry.ids_of(subscriber), page_request)
        found = [self._registry.find(subscriber, one) for one in page.ids]
        items = [view(one.record, self._registry.unseal(one.record)) for one in found if one]
        return json_response({"items": items, "next_cursor": page.next_cursor})

    async def show(self, request: web.Request) -> web.Response:
        """Show one subscription."""
        return self._answer(self._found(request).record)

    async def patch(self, request: web.Request) -> web.Response:
        """Change a subscription by a merge patch."""
        condition = _condition(request)
        members = await self._read(request, _PATCH_TYPES)

        def decide() -> Change:
            current = self._current(request, condition)
            change = patch(current, members, self._rules, now_ms=self._clock.now_ms())
            if isinstance(change, Problem):
                raise RefusedError(change)
            return change

        self._found(request)
        record = await self._registry.write(request.match_info["subscriber"], decide)
        return self._answer(record)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a subscription; what waits for it is dropped."""
        condition = _condition(request)

        def decide() -> Change:
            stored = self._checked(request, condition)
            # A record whose secrets no key opens can still be deleted.
            sealed = SealedFields(url="", secret="")
            current = Current(stored.record, stored.raw(), sealed, stored.appended_at)
            return delete(current, now_ms=self._clock.now_ms())

        self._found(request)
        await self._registry.write(request.match_info["subscriber"], decide)
        return empty_response()

    async def secret(self, request: web.Request) -> web.Response:
        """Show the signing secret."""
        sealed = self._registry.unseal(self._found(request).record)
        if sealed is None:
            raise RefusedError(_SEALED_AWAY)
        answer = secret_view(sealed, now_ms=self._clock.now_ms())
        return json_response(answer, headers={"Cache-Control": "no-store"})

    async def _read(
        self, request: web.Request, media_types: frozenset[str]
    ) -> Mapping[str, JsonValue]:
        with hold_place(request, self._intake, body_bytes_max=MANAGEMENT_BODY_BYTES_MAX):
            return await read_object(
                request, media_types=media_types, timeout_s=self._body_timeout_s
            )

    def _answer(self, record: SubscriptionRecord) -> web.Response:
        answer = view(record, self._registry.unseal(record))
        return json_response(answer, headers={"ETag": etag_of(record.version)})

    def _found(self, request: web.Request) -> Stored:
        place = request.match_info
        stored = self._registry.find(place["subscriber"], place["subscription"])
        if stored is None:
            raise RefusedError(Problem(Code.NOT_FOUND, "there is no such subscription"))
        return stored

    def _checked(self, request: web.Request, condition: IfMatch) -> Stored:
        stored = self._found(request)
        if not condition.holds_for(stored.record.version):
            detail = "the subscription has another version than If-Match names"
            raise RefusedError(Problem(Code.VERSION_MISMATCH, detail))
        return stored

    def _current(self, request: web.Request, condition: IfMatch) -> Current:
        stored = self._checked(request, condition)
        sealed = self._registry.unseal(stored.record)
        if sealed is None:
            raise RefusedError(_SEALED_AWAY)
        return Current(stored.record, stored.raw(), sealed, stored.appended_at)


_SEALED_AWAY: Final = Problem(
    Code.CONFLICT, "the subscription is sealed with a key that this gateway does not have"
)


def _condition(request: web.Request) -> IfMatch:
    values = request.headers.getall(hdrs.IF_MATCH, [])
    condition = parse_if_match(", ".join(values) if values else None)
    if condition is None:
        raise RefusedError(Problem(Code.INVALID_REQUEST, "If-Match is malformed"))
    return condition
