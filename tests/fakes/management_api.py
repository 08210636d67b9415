"""The management API as the command line sees it: in memory, on a real socket, in its thread."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

KEY = "hlk_test"
MADE_SECRET = "whsec_" + "QUJD" * 8
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


@dataclass
class ManagementApi:
    """A context: serves, remembers what was asked, holds subscriptions and keys.

    `refusals` are what the next writes get: status, code, headers.
    """

    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    scripted: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    refusals: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    page_items: int = 2
    _stop: "asyncio.Event | None" = None
    _loop: "asyncio.AbstractEventLoop | None" = None
    _thread: threading.Thread | None = None

    @property
    def variables(self) -> dict[str, str]:
        """Give the environment of a command that talks to it."""
        return {"HOOKLANE_URL": self.url, "HOOKLANE_KEY": KEY}

    def writes(self) -> list[tuple[str, str]]:
        """List the requests that change something."""
        return [(one.method, one.path) for one in self.asked if one.method != "GET"]

    def __enter__(self) -> Self:
        """Serve until the exit."""
        started: Future[str] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        self.url = started.result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self, started: "Future[str]") -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._record])
        subscriptions = "/v1/subscribers/{s}/subscriptions"
        app.add_routes(
            [
                web.get("/v1/subscribers", self._subscribers),
                web.get(subscriptions, self._list),
                web.post(subscriptions, self._create),
                web.patch(subscriptions + "/{id}", self._patch),
                web.delete(subscriptions + "/{id}", self._delete),
                web.get(subscriptions + "/{id}/secret", self._secret),
                web.post(subscriptions + "/{id}/rotate-secret", self._rotate),
                web.get("/v1/keys", self._keys),
                web.post("/v1/keys", self._create_key),
                web.delete("/v1/keys/{id}", self._revoke),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        started.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await self._stop.wait()
        await runner.cleanup()

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.asked.append(Asked(request.method, request.path, headers, body))
        if headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "unauthorized", "no key")
        if self.refusals and request.method != "GET":
            status, code, fields = self.refusals.pop(0)
            refusal = problem(status, code, "not now")
            refusal.headers.update(fields)
            return refusal
        script = self.scripted.get((request.method, request.path))
        if script is not None:
            status, document = script
            if isinstance(document, str):
                return web.Response(status=status, text=document, headers={"location": "/x"})
            return web.json_response(document, status=status)
        return await handler(request)

    def _page(self, request: web.Request, items: list[dict[str, Any]]) -> web.Response:
        first = int(request.query.get("cursor", 0))
        page = items[first : first + self.page_items]
        after = first + self.page_items
        cursor = str(after) if after < len(items) else None
        return web.json_response({"items": page, "next_cursor": cursor})

    async def _subscribers(self, request: web.Request) -> web.Response:
        names = dict.fromkeys(one["subscriber"] for one in self.subscriptions.values())
        return self._page(request, [{"subscriber": name} for name in names])

    async def _list(self, request: web.Request) -> web.Response:
        name = request.match_info["s"]
        found = [self._view(one) for one in self.subscriptions.values()]
        return self._page(request, [one for one in found if one["subscriber"] == name])

    def _view(self, one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "headers": dict.fromkeys(one["headers"], "***")}

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        number = f"sub_{len(self.subscriptions) + 1}"
        self.secrets[number] = body.pop("secret", MADE_SECRET)
        defaults: dict[str, Any] = {
            "event_types": ["*"], "filter": None, "headers": {}, "description": None,
            "metadata": {}, "signature": "v1", "ordering": "strict",
            "retry": {"schedule_s": [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
                      "max_age_s": 518400},
            "rate_limit": None, "max_in_flight": 8, "timeout_s": 15, "format": "binary",
            "status": "active", "status_reason": None,
        }  # fmt: skip
        made = {"id": number, "subscriber": request.match_info["s"], **defaults, **body}
        self.subscriptions[number] = {**made, "version": 1}
        shown = self._view(self.subscriptions[number]) | {"secret": self.secrets[number]}
        return web.json_response(shown, status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        one = self.subscriptions[request.match_info["id"]]
        if (conflict := _conflict(request, one)) is not None:
            return conflict
        for name, value in (await request.json()).items():
            if name in {"headers", "metadata"}:
                merged = {**one[name], **value}
                one[name] = {k: v for k, v in merged.items() if v is not None}
            else:
                one[name] = value
        one["version"] += 1
        return web.json_response(self._view(one))

    async def _delete(self, request: web.Request) -> web.Response:
        one = self.subscriptions[request.match_info["id"]]
        if (conflict := _conflict(request, one)) is not None:
            return conflict
        del self.subscriptions[request.match_info["id"]]
        return web.Response(status=204)

    async def _secret(self, request: web.Request) -> web.Response:
        return web.json_response({"secret": self.secrets[request.match_info["id"]]})

    async def _rotate(self, request: web.Request) -> web.Response:
        one = self.subscriptions[request.match_info["id"]]
        if (conflict := _conflict(request, one)) is not None:
            return conflict
        one["version"] += 1
        self.secrets[one["id"]] = (await request.json())["secret"]
        return web.json_response({"secret": self.secrets[one["id"]]})

    async def _keys(self, request: web.Request) -> web.Response:
        return self._page(request, list(self.keys.values()))

    async def _create_key(self, request: web.Request) -> web.Response:
        number = f"key_{len(self.keys) + 1}"
        self.keys[number] = {"id": number, **(await request.json())}
        return web.json_response({**self.keys[number], "key": f"hlk_{number}_x"}, status=201)

    async def _revoke(self, request: web.Request) -> web.Response:
        if self.keys.pop(request.match_info["id"], None) is None:
            return problem(404, "not_found", "there is no such key")
        return web.Response(status=204)


def problem(status: int, code: str, detail: str, **more: Any) -> web.Response:
    """Answer as the gateway refuses."""
    document = {"type": "about:blank", "status": status, "code": code, "detail": detail, **more}
    return web.json_response(document, status=status, content_type="application/problem+json")


def _conflict(request: web.Request, one: dict[str, Any]) -> web.Response | None:
    wanted = request.headers.get("if-match")
    if wanted in {None, f'"{one["version"]}"'}:
        return None
    return problem(412, "version_mismatch", "another version")
