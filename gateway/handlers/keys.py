"""API keys: make, list, revoke."""

from collections.abc import Callable, Sequence

from aiohttp import web

from chassis.clock import Clock
from gateway.access import PRINCIPAL
from gateway.api_keys import (
    SECRET_BYTES,
    create_key,
    key_view,
    make_token,
    parse_key,
    revoke_key,
)
from gateway.auth import Principal
from gateway.handlers.finding import condition_of, require_version
from gateway.limits import Limits
from gateway.paging import page_of, parse_page
from gateway.preconditions import etag_of
from gateway.problems import Code, Problem, RefusedError
from gateway.reading import BodyReader
from gateway.registry import Shelf, Stored
from gateway.responses import empty_response, json_response
from gateway.subscriptions import RawRecord
from schemas.api_keys import ApiKeyRecord


class KeyHandlers:
    """The handlers of `/v1/keys`, and what they work with."""

    def __init__(
        self,
        *,
        keys: Shelf[ApiKeyRecord],
        bodies: BodyReader,
        clock: Clock,
        fresh_id: Callable[[], str],
        random_bytes: Callable[[int], bytes],
        limits: Limits,
    ) -> None:
        self._keys = keys
        self._bodies = bodies
        self._clock = clock
        self._fresh_id = fresh_id
        self._random_bytes = random_bytes
        self._limits = limits

    async def create(self, request: web.Request) -> web.Response:
        """Make a key; the only answer that shows it."""
        members = await self._bodies.members(request)
        body = parse_key(members, request[PRINCIPAL], now_ms=self._clock.now_ms())
        if isinstance(body, Problem):
            raise RefusedError(body)
        key_id = self._fresh_id()
        token = make_token(key_id, self._random_bytes(SECRET_BYTES))

        def decide() -> RawRecord:
            if len(self._keys.places()) >= self._limits.keys_max:
                detail = f"there are at most {self._limits.keys_max} keys: revoke some"
                raise self._limits.refuse("keys", detail)
            return create_key(body, key_id=key_id, token=token, now_ms=self._clock.now_ms())

        record = await self._keys.write(key_id, decide)
        headers = {
            "ETag": etag_of(record.version),
            "Location": f"/v1/keys/{record.id}",
            "Cache-Control": "no-store",
        }
        answer = key_view(record) | {"key": token}
        return json_response(answer, status=web.HTTPCreated.status_code, headers=headers)

    async def list(self, request: web.Request) -> web.Response:
        """Show a page of the keys that are not revoked, newest first."""
        page_request = parse_page(list(request.query.items()))
        if isinstance(page_request, Problem):
            raise RefusedError(page_request)
        page = page_of(self._visible(request[PRINCIPAL]), page_request)
        found = [self._keys.find(one) for one in page.names]
        items = [key_view(one.record) for one in found if one is not None]
        return json_response({"items": items, "next_cursor": page.next_cursor})

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a key, for good; every gateway follows within two seconds."""
        condition = condition_of(request)

        def decide() -> RawRecord:
            stored = self._found(request)
            require_version(condition, stored.record.version)
            return revoke_key(stored.raw(), stored.record, now_ms=self._clock.now_ms())

        self._found(request)
        await self._keys.write(request.match_info["key"], decide)
        return empty_response()

    def _visible(self, principal: Principal) -> "Sequence[str]":
        if principal.subscriber is None:
            return self._keys.places()
        found = [self._keys.find(place) for place in self._keys.places()]
        return [
            one.record.id
            for one in found
            if one is not None and principal.sees(one.record.subscriber)
        ]

    def _found(self, request: web.Request) -> Stored[ApiKeyRecord]:
        stored = self._keys.find(request.match_info["key"])
        if stored is None:
            raise RefusedError(Problem(Code.NOT_FOUND, "there is no such key"))
        return stored
