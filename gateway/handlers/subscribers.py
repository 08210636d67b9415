"""Subscribers as a whole: list, show, put, remove."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from chassis.clock import Clock
from gateway.access import PRINCIPAL
from gateway.handlers.finding import condition_of, require_existing, require_version
from gateway.paging import page_of, parse_page, place_of, split_query, wrong_query
from gateway.preconditions import etag_of
from gateway.problems import Code, FieldError, Problem, RefusedError
from gateway.reading import BodyReader
from gateway.registry import Registry, Removal, Shelf
from gateway.responses import empty_response, json_response
from gateway.subscribers import (
    deleted,
    parse_subscriber,
    put_subscriber,
    subscriber_view,
    with_quota_of,
)
from gateway.subscriptions import Change, Current, RawRecord, delete
from schemas.event import check_subscriber
from schemas.registry import SealedFields
from schemas.subscribers import SubscriberRecord

_OWN_QUOTA: Final = Problem(
    Code.FORBIDDEN, "a key that is bound to a subscriber cannot change the quota of it"
)


class SubscriberHandlers:
    """The handlers of `/v1/subscribers`, and what they work with."""

    def __init__(
        self,
        *,
        registry: Registry,
        subscribers: Shelf[SubscriberRecord],
        bodies: BodyReader,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._subscribers = subscribers
        self._bodies = bodies
        self._clock = clock

    async def list(self, request: web.Request) -> web.Response:
        """Show a page of those that have a record or a subscription, newest first."""
        page_request = parse_page(list(request.query.items()))
        if isinstance(page_request, Problem):
            raise RefusedError(page_request)
        bound = request[PRINCIPAL].subscriber
        if bound is None:
            places = self._registry.subscribers()
        else:
            places = [place_of(bound, 0)] if self._exists(bound) else []
        page = page_of(places, page_request)
        items = [self._view(name) for name in page.names]
        return json_response({"items": items, "next_cursor": page.next_cursor})

    async def show(self, request: web.Request) -> web.Response:
        """Show one subscriber."""
        subscriber = request.match_info["subscriber"]
        self._require(subscriber)
        return self._answer(subscriber)

    async def put(self, request: web.Request) -> web.Response:
        """Say everything there is to say about a subscriber."""
        subscriber = request.match_info["subscriber"]
        if reason := check_subscriber(subscriber):
            problem = Problem(Code.VALIDATION_FAILED, reason, (FieldError("", reason),))
            raise RefusedError(problem)
        condition = condition_of(request)
        body = parse_subscriber(await self._bodies.members(request))
        if isinstance(body, Problem):
            raise RefusedError(body)

        is_new = True

        def decide() -> RawRecord:
            nonlocal is_new  # of several that race only the first makes it
            stored = self._subscribers.find(subscriber)
            is_new = stored is None
            if stored is not None:
                require_version(condition, stored.record.version)
            elif self._registry.ids_of(subscriber):
                require_version(condition, 0)  # its subscriptions make it; GET shows it so
            else:
                require_existing(request, condition)
            current = stored.raw() if stored is not None else None
            record = put_subscriber(
                body,
                subscriber=subscriber,
                current=current,
                version=self._subscribers.version_of(subscriber) + 1,
                now_ms=self._clock.now_ms(),
            )
            if request[PRINCIPAL].subscriber is None:
                return record
            kept = with_quota_of(record, current)
            if kept is None:
                raise RefusedError(_OWN_QUOTA)
            return kept

        record = await self._subscribers.write(subscriber, decide)
        status = web.HTTPCreated.status_code if is_new else web.HTTPOk.status_code
        return self._answer(subscriber, record, status=status)

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a subscriber; with `cascade=true` its subscriptions too, all at once."""
        subscriber = request.match_info["subscriber"]
        is_cascade = parse_cascade(list(request.query.items()))
        if isinstance(is_cascade, Problem):
            raise RefusedError(is_cascade)
        condition = condition_of(request)

        def decide() -> Removal:
            self._require(subscriber)
            stored = self._subscribers.find(subscriber)
            ids = self._registry.ids_of(subscriber)
            if ids and not is_cascade:
                detail = f"the subscriber has {len(ids)} subscription(s): send cascade=true"
                raise RefusedError(Problem(Code.CONFLICT, detail))
            if stored is None:
                require_version(condition, 0)
                return Removal(None, self._endings(subscriber))
            require_version(condition, stored.record.version)
            if stored.record.quota is not None and request[PRINCIPAL].subscriber is not None:
                raise RefusedError(_OWN_QUOTA)
            version, now_ms = stored.record.version + 1, self._clock.now_ms()
            record = deleted(stored.raw(), version=version, now_ms=now_ms)
            return Removal(record, self._endings(subscriber))

        self._require(subscriber)
        await self._registry.remove(subscriber, decide)
        return empty_response()

    def _endings(self, subscriber: str) -> Sequence[Change]:
        """Delete every subscription, also those whose secrets no key opens."""
        now_ms = self._clock.now_ms()
        unopened = SealedFields(url="", secret="")
        stored = [self._registry.find(subscriber, one) for one in self._registry.ids_of(subscriber)]
        return [
            delete(Current(one.record, one.raw(), unopened, one.appended_at), now_ms=now_ms)
            for one in stored
            if one is not None
        ]

    def _exists(self, subscriber: str) -> bool:
        has_record = self._subscribers.find(subscriber) is not None
        return has_record or bool(self._registry.ids_of(subscriber))

    def _require(self, subscriber: str) -> None:
        if not self._exists(subscriber):
            raise RefusedError(Problem(Code.NOT_FOUND, "there is no such subscriber"))

    def _view(self, subscriber: str, record: SubscriberRecord | None = None) -> dict[str, object]:
        if record is None:
            stored = self._subscribers.find(subscriber)
            record = stored.record if stored is not None else None
        count = len(self._registry.ids_of(subscriber))
        return subscriber_view(subscriber, record, subscriptions=count)

    def _answer(
        self, subscriber: str, record: SubscriberRecord | None = None, *, status: int = 200
    ) -> web.Response:
        answer = self._view(subscriber, record)
        version = answer["version"]
        assert isinstance(version, int)  # it is what the view shows
        return json_response(answer, status=status, headers={"ETag": etag_of(version)})


def parse_cascade(query: Sequence[tuple[str, str]]) -> bool | Problem:
    """Read `cascade`; nothing else may be asked."""
    values = split_query(query, frozenset({"cascade"}))
    if isinstance(values, Problem):
        return values
    value = values.get("cascade", "false")
    if value not in {"true", "false"}:
        return wrong_query("cascade", "it is true or false")
    return value == "true"
