"""What runs in this process, for whoever must find out why: `/debug` and `/log-level`.

Only with a bearer token, and absent (404) while none is set. Answers are bounded and name
subscriptions, lanes and numbers; never a URL, a header, a body or a secret: each part of a service
describes itself under that rule.
"""

import asyncio
import hmac
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePath
from types import FrameType
from typing import Annotated, Final, Literal, NamedTuple

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.log_levels import LogLevels, TooManyChanges
from chassis.metrics import product_version

ITEMS_DEFAULT: Final = 50
ITEMS_MAX: Final = 500
TASKS_MAX: Final = 100
MINUTES_DEFAULT: Final = 15
MINUTES_MAX: Final = 1440
_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_NUMBER: Final = re.compile(r"\d+")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Question(NamedTuple):
    """What is asked: everything, or one subscription; and how many items of a list at most."""

    subscription: str | None = None
    items_max: int = ITEMS_DEFAULT


Describe = Callable[[Question], object]
"""Quick, without I/O, and plain data."""


class LevelChange(BaseModel):
    """The body of `PUT /log-level`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    level: Literal["debug", "info", "warning", "error"]
    component: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,63}$")] | None = None
    minutes: int = Field(default=MINUTES_DEFAULT, ge=1, le=MINUTES_MAX)


class DebugPages:
    """The handlers, and the descriptions they put together."""

    def __init__(
        self, token: str, *, levels: LogLevels, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._token = token.encode()
        self._levels = levels
        self._clock = clock
        self._log = log
        self._began_s = clock.monotonic()
        self._parts: dict[str, Describe] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def add(self, parts: Mapping[str, Describe]) -> None:
        """Show more parts on `/debug`."""
        self._parts.update(parts)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, each behind the token."""
        return [
            web.get("/debug", self._guarded(self._show)),
            web.get("/debug/tasks", self._guarded(self._show_tasks)),
            web.get("/log-level", self._guarded(self._show_levels)),
            web.put("/log-level", self._guarded(self._change_level)),
            web.delete("/log-level", self._guarded(self._restore_levels)),
        ]

    def close(self) -> None:
        """Forget the timers."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _guarded(self, handler: Handler) -> Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            given = request.headers.getall(hdrs.AUTHORIZATION, [])
            kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
            is_known = hmac.compare_digest(token.strip().encode(errors="replace"), self._token)
            if kind.lower() != "bearer" or not is_known:
                headers = {str(hdrs.WWW_AUTHENTICATE): "Bearer"}
                return _answer({"detail": "a bearer token is needed"}, status=401, headers=headers)
            return await handler(request)

        return guard

    async def _show(self, request: web.Request) -> web.Response:
        question = _question_of(request.query)
        if isinstance(question, str):
            return _answer({"detail": question}, status=422)
        shown: dict[str, object] = {
            "version": product_version(),
            "uptime_s": round(self._clock.monotonic() - self._began_s, 1),
            "log": self._levels.describe(self._clock.monotonic()),
        }
        for name, describe in self._parts.items():
            shown[name] = _ask(describe, question)
        return _answer(shown)

    async def _show_tasks(self, _request: web.Request) -> web.Response:
        """Count the tasks of the event loop by their name and the line they wait at."""
        counted = Counter(map(_place_of, asyncio.all_tasks()))
        rows = [
            {"task": name, "at": at, "count": count}
            for (name, at), count in counted.most_common(TASKS_MAX)
        ]
        return _answer({"tasks": counted.total(), "kinds": len(counted), "shown": rows})

    async def _show_levels(self, _request: web.Request) -> web.Response:
        return _answer(self._levels.describe(self._clock.monotonic()))

    async def _change_level(self, request: web.Request) -> web.Response:
        try:
            change = LevelChange.model_validate_json(await request.read())
        except ValidationError as error:
            problems = [
                {"field": ".".join(map(str, one["loc"])), "detail": one["msg"]}
                for one in error.errors(include_url=False, include_input=False)
            ]
            return _answer({"detail": "not a change of level", "errors": problems}, status=422)
        seconds = change.minutes * 60
        until_s = self._clock.monotonic() + seconds
        try:
            self._levels.change(change.level, component=change.component, until_s=until_s)
        except TooManyChanges as error:
            return _answer({"detail": str(error)}, status=409)
        self._call_later(seconds)
        self._log.warning(
            "log.level_changed",
            lowest=change.level,
            part=change.component or "all",
            minutes=change.minutes,
        )
        return await self._show_levels(request)

    async def _restore_levels(self, request: web.Request) -> web.Response:
        self.close()
        if self._levels.restore():
            self._log.warning("log.level_restored")
        return await self._show_levels(request)

    def _call_later(self, seconds: float) -> None:
        """Look for changes that ended when this one does; a later one has a timer of its own."""
        loop = asyncio.get_running_loop()
        self._timers = {timer for timer in self._timers if timer.when() > loop.time()}
        if len(self._timers) < ITEMS_MAX:
            self._timers.add(loop.call_later(seconds + 0.1, self.expire))

    def expire(self) -> None:
        """End the changes whose time is over."""
        if self._levels.expire(self._clock.monotonic()):
            self._log.warning("log.level_restored")


def _question_of(query: Mapping[str, str]) -> Question | str:
    """Read the parameters; a text says what is wrong with them."""
    unknown = set(query) - {"subscription", "limit"}
    if unknown:
        return "only subscription and limit can be asked for"
    subscription, limit = query.get("subscription"), query.get("limit", str(ITEMS_DEFAULT))
    if subscription is not None and not _WORD.fullmatch(subscription):
        return "subscription is not an id"
    if not _NUMBER.fullmatch(limit, 0, 4) or not 1 <= int(limit) <= ITEMS_MAX:
        return f"limit is not 1 to {ITEMS_MAX}"
    return Question(subscription, int(limit))


def _ask(describe: Describe, question: Question) -> object:
    try:
        return describe(question)
    except Exception as error:  # noqa: BLE001 - one broken part must not hide the others
        return {"broken": type(error).__name__}


def _place_of(task: "asyncio.Task[object]") -> tuple[str, str]:
    """Name a task without its numbers, and the innermost line of ours it waits at."""
    name = _NUMBER.sub("*", task.get_name())[:64]
    frames: list[FrameType] = task.get_stack(limit=8)
    if not frames:
        return name, "-"
    frame = frames[-1]
    path = PurePath(frame.f_code.co_filename)
    place = "/".join(path.parts[-2:])
    return name, f"{place}:{frame.f_lineno} {frame.f_code.co_name}"


def _answer(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = orjson.dumps(data, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _plain(value: object) -> str:
    """Name what is no plain data instead of showing it."""
    return f"<{type(value).__name__}>"
