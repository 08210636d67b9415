"""Subscriptions of a subscriber: create, list, show, patch, delete, show and rotate the secret."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from chassis.clock import Clock
from gateway.handlers.finding import (
    SEALED_AWAY,
    condition_of,
    find_current,
    find_subscription,
    require_version,
)
from gateway.limits import Limits
from gateway.paging import page_of, parse_page
from gateway.preconditions import etag_of
from gateway.problems import Code, FieldError, Problem, RefusedError
from gateway.reading import BodyReader
from gateway.registry import Registry, Shelf
from gateway.responses import empty_response, json_response
from gateway.rotation import rotate
from gateway.signing_secrets import public_key_of
from gateway.subscribers import subscriptions_max
from gateway.subscriptions import (
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
from schemas.subscribers import SubscriberRecord

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
        bodies: BodyReader,
        subscribers: Shelf[SubscriberRecord],
        limits: Limits,
    ) -> None:
        self._registry = registry
        self._rules = rules
        self._clock = clock
        self._fresh_id = fresh_id
        self._bodies = bodies
        self._subscribers = subscribers
        self._limits = limits

    async def create(self, request: web.Request) -> web.Response:
        """Make a subscription; the only answer besides `secret` that shows the secret."""
        subscriber = request.match_info["subscriber"]
        reason = check_subscriber(subscriber)
        if reason is not None:
            problem = Problem(Code.VALIDATION_FAILED, reason, (FieldError("", reason),))
            raise RefusedError(problem)
        members = await self._bodies.members(request)
        body = parse_create(members, self._rules)
        if isinstance(body, Problem):
            raise RefusedError(body)
        subscription_id = self._fresh_id()

        def decide() -> Change:
            stored = self._subscribers.find(subscriber)
            at_most = subscriptions_max(stored.record if stored is not None else None)
            if len(self._registry.ids_of(subscriber)) >= at_most:
                detail = f"this subscriber has at most {at_most} subscriptions"
                raise self._limits.refuse("subscriptions", detail)
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
        found = [self._registry.find(subscriber, one) for one in page.names]
        items = [view(one.record, self._registry.unseal(one.record)) for one in found if one]
        return json_response({"items": items, "next_cursor": page.next_cursor})

    async def show(self, request: web.Request) -> web.Response:
        """Show one subscription."""
        return self._answer(find_subscription(request, self._registry).record)

    async def patch(self, request: web.Request) -> web.Response:
        """Change a subscription by a merge patch."""
        condition = condition_of(request)
        members = await self._bodies.members(request, _PATCH_TYPES)

        def decide() -> Change:
            current = find_current(request, self._registry, condition)
            change = patch(current, members, self._rules, now_ms=self._clock.now_ms())
            if isinstance(change, Problem):
                raise RefusedError(change)
            return change

        find_subscription(request, self._registry)
        record = await self._registry.write(request.match_info["subscriber"], decide)
        return self._answer(record)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a subscription; what waits for it is dropped."""
        condition = condition_of(request)

        def decide() -> Change:
            stored = find_subscription(request, self._registry)
            require_version(condition, stored.record.version)
            # A record whose secrets no key opens can still be deleted.
            sealed = SealedFields(url="", secret="")
            current = Current(stored.record, stored.raw(), sealed, stored.appended_at)
            return delete(current, now_ms=self._clock.now_ms())

        find_subscription(request, self._registry)
        await self._registry.write(request.match_info["subscriber"], decide)
        return empty_response()

    async def secret(self, request: web.Request) -> web.Response:
        """Show the signing secret."""
        return self._secret_answer(find_subscription(request, self._registry).record)

    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Replace the signing secret; the old one signs too until its grace ends."""
        condition = condition_of(request)
        members = await self._bodies.members(request, is_optional=True)

        def decide() -> Change:
            current = find_current(request, self._registry, condition)
            change = rotate(current, members, self._rules, now_ms=self._clock.now_ms())
            if isinstance(change, Problem):
                raise RefusedError(change)
            return change

        find_subscription(request, self._registry)
        record = await self._registry.write(request.match_info["subscriber"], decide)
        return self._secret_answer(record)

    def _answer(self, record: SubscriptionRecord) -> web.Response:
        answer = view(record, self._registry.unseal(record))
        return json_response(answer, headers={"ETag": etag_of(record.version)})

    def _secret_answer(self, record: SubscriptionRecord) -> web.Response:
        sealed = self._registry.unseal(record)
        if sealed is None:
            raise RefusedError(SEALED_AWAY)
        answer = secret_view(sealed, now_ms=self._clock.now_ms())
        headers = {"Cache-Control": "no-store", "ETag": etag_of(record.version)}
        return json_response(answer, headers=headers)
