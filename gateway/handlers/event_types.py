"""Event types: list, show, put, delete."""

from aiohttp import web

from chassis.clock import Clock
from gateway.access import PRINCIPAL, refuse_bound
from gateway.event_types import (
    event_type_view,
    parse_event_type,
    put_event_type,
)
from gateway.handlers.finding import condition_of, require_existing, require_version
from gateway.limits import Limits
from gateway.paging import page_of, parse_page
from gateway.preconditions import IfMatch, etag_of
from gateway.problems import Code, FieldError, Problem, RefusedError
from gateway.reading import BodyReader
from gateway.registry import Shelf, Stored
from gateway.responses import empty_response, json_response
from gateway.subscribers import deleted
from gateway.subscriptions import RawRecord
from schemas.event_types import EventTypeRecord, check_event_type_name


class EventTypeHandlers:
    """The handlers of `/v1/event-types`; all subscribers share them."""

    def __init__(
        self,
        *,
        event_types: Shelf[EventTypeRecord],
        bodies: BodyReader,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._event_types = event_types
        self._bodies = bodies
        self._clock = clock
        self._limits = limits

    async def list(self, request: web.Request) -> web.Response:
        """Show a page of the event types, newest first."""
        page_request = parse_page(list(request.query.items()))
        if isinstance(page_request, Problem):
            raise RefusedError(page_request)
        page = page_of(self._event_types.places(), page_request)
        found = [self._event_types.find(name) for name in page.names]
        items = [event_type_view(one.record) for one in found if one is not None]
        return json_response({"items": items, "next_cursor": page.next_cursor})

    async def show(self, request: web.Request) -> web.Response:
        """Show one event type."""
        return self._answer(self._found(request).record)

    async def put(self, request: web.Request) -> web.Response:
        """Say everything there is to say about an event type."""
        refuse_bound(request[PRINCIPAL])
        name = request.match_info["event_type"]
        if reason := check_event_type_name(name):
            problem = Problem(Code.VALIDATION_FAILED, reason, (FieldError("", reason),))
            raise RefusedError(problem)
        condition = condition_of(request)
        body = parse_event_type(await self._bodies.members(request))
        if isinstance(body, Problem):
            raise RefusedError(body)

        is_new = True

        def decide() -> RawRecord:
            nonlocal is_new  # of several that race only the first makes it
            stored = self._event_types.find(name)
            is_new = stored is None
            if stored is None:
                self._require_room(request, condition)
            else:
                require_version(condition, stored.record.version)
            return put_event_type(
                body,
                name=name,
                current=stored.raw() if stored is not None else None,
                version=self._event_types.version_of(name) + 1,
                now_ms=self._clock.now_ms(),
            )

        record = await self._event_types.write(name, decide)
        status = web.HTTPCreated.status_code if is_new else web.HTTPOk.status_code
        return self._answer(record, status=status)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete an event type; its events are no longer judged."""
        refuse_bound(request[PRINCIPAL])
        condition = condition_of(request)

        def decide() -> RawRecord:
            stored = self._found(request)
            require_version(condition, stored.record.version)
            version, now_ms = stored.record.version + 1, self._clock.now_ms()
            return deleted(stored.raw(), version=version, now_ms=now_ms)

        self._found(request)
        await self._event_types.write(request.match_info["event_type"], decide)
        return empty_response()

    def _require_room(self, request: web.Request, condition: IfMatch) -> None:
        require_existing(request, condition)
        if len(self._event_types.places()) >= self._limits.event_types_max:
            detail = f"there are at most {self._limits.event_types_max} event types"
            raise self._limits.refuse("event_types", detail)

    def _found(self, request: web.Request) -> Stored[EventTypeRecord]:
        stored = self._event_types.find(request.match_info["event_type"])
        if stored is None:
            raise RefusedError(Problem(Code.NOT_FOUND, "there is no such event type"))
        return stored

    def _answer(self, record: EventTypeRecord, *, status: int = 200) -> web.Response:
        headers = {"ETag": etag_of(record.version)}
        return json_response(event_type_view(record), status=status, headers=headers)
