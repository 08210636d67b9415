"""One JSON object per line on standard output, where containers look for it.

Fields come in through an allow-list of types (text, numbers, lists and objects of them), names
that smell of secrets or payloads are blanked, URLs lose user info and query, long text is cut: a
careless call can at worst make a poor line. Standard-library logging (aiokafka, aiohttp, asyncio)
goes through the same processors at WARNING, as event `library.log`; what floods is bounded, and
`kept_back` tells how many lines were not written.
Events are dotted constants (`deliverer.attempt_failed`); values go into fields, never into it.
"""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from chassis.clock import Clock, SystemClock
from chassis.log_levels import LEVELS, LogLevels
from chassis.repeats import Repeats
from chassis.settings import LogSettings

TEXT_CHARS_MAX = 2048
ITEMS_MAX = 50
REDACTED = "[redacted]"
KIND_CHARS_MAX = 200
LIBRARY_LINES_MAX = 10
LIBRARY_WINDOW_S = 10.0
"""aiokafka wrote 1,200 lines a second while a topic was gone: so many of a kind are enough."""
LEVELS_NOW = LogLevels()
"""What this process writes now; `/log-level` changes it."""

_SECRET_NAMES = re.compile(
    r"(?:^|_)(?:secrets?|passwords?|authorization|tokens?|api_key|root_key|signature|"
    r"body|payload|data|headers?|cookie|response)$"
)
_SECRET_TEXT = re.compile(r"\b(whs[eck]+_|hk_|Bearer )[A-Za-z0-9+/=_.-]{8,}")
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/?#@]*@)?([^\s?#\"'<>]*)(?:[?#][^\s\"'<>]*)?"
)


def configure(
    settings: LogSettings,
    service: str,
    *,
    stream: BinaryIO | None = None,
    clock: Clock | None = None,
) -> None:
    """Set up structlog and the standard library for this process; call once, before logging."""
    out = stream or sys.stdout.buffer
    LEVELS_NOW.settle(settings.level)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _Stamp(service, clock or SystemClock()),
            structlog.processors.format_exc_info,
            _redact,
            *_render(settings),
        ],
        wrapper_class=LeveledLogger,
        logger_factory=structlog.BytesLoggerFactory(file=out),
        cache_logger_on_first_use=stream is None,  # a test may configure again
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _ToStructlog)]:
        root.removeHandler(handler)
    root.addHandler(_ToStructlog(clock or SystemClock()))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def get(component: str) -> FilteringBoundLogger:
    """Return a logger bound to the part of the service that speaks."""
    return cast(FilteringBoundLogger, structlog.get_logger(component=component))


class LeveledLogger(structlog.make_filtering_bound_logger(0)):  # type: ignore[misc]  # made at run time
    """Ask `LEVELS_NOW` before each line, by the part that speaks.

    structlog's own filter is compiled for one level. A line below all levels costs one comparison.
    """

    def debug(self, event: str, *args: object, **fields: object) -> None:
        """Write a line that is wanted while looking for something."""
        if self.is_enabled_for(logging.DEBUG):
            super().debug(event, *args, **fields)

    def info(self, event: str, *args: object, **fields: object) -> None:
        """Write a line about what happens."""
        if self.is_enabled_for(logging.INFO):
            super().info(event, *args, **fields)

    def warning(self, event: str, *args: object, **fields: object) -> None:
        """Write a line about what should not be so."""
        if self.is_enabled_for(logging.WARNING):
            super().warning(event, *args, **fields)

    def log(self, level: int, event: str, *args: object, **fields: object) -> None:
        """Write a line of a level that is known only now."""
        if self.is_enabled_for(level):
            super().log(level, event, *args, **fields)

    def is_enabled_for(self, level: int) -> bool:
        """Tell whether a line of a level would be written."""
        return level >= LEVELS_NOW.floor and level >= LEVELS_NOW.lowest(
            self._context.get("component")
        )


class _Stamp:
    """Add `ts` (RFC 3339, milliseconds, UTC) and `service`."""

    def __init__(self, service: str, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        moment = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        first = {"ts": stamp, "level": event.pop("level"), "event": event.pop("event")}
        return {**first, "service": self._service, **event}


class _ToStructlog(logging.Handler):
    """Hand records of the standard library on, so that every line has one shape."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(level=logging.WARNING)
        self._clock = clock
        self._repeats = Repeats(limit=LIBRARY_LINES_MAX, window_s=LIBRARY_WINDOW_S)

    def emit(self, record: logging.LogRecord) -> None:
        # By the text before its values are put in: what differs by a number is the same complaint.
        kind = f"{record.name} {record.levelno} {str(record.msg)[:KIND_CHARS_MAX]}"
        kept_back = self._repeats.admit(kind, self._clock.monotonic())
        if kept_back is None:
            return
        more = {"kept_back": kept_back} if kept_back else {}
        level = max((n for n in LEVELS.values() if n <= record.levelno), default=10)
        structlog.get_logger(component=record.name).log(
            level, "library.log", message=record.getMessage(), exc_info=record.exc_info, **more
        )


def _redact(_logger: WrappedLogger, _method: str, event: MutableMapping[str, object]) -> EventDict:
    return {name: _clean_field(name, value) for name, value in event.items()}


def _clean_field(name: str, value: object) -> object:
    kind = type(value)
    if kind is int or kind is float or kind is bool or value is None:
        return value
    if _is_secret(name):
        return REDACTED
    return _clean_text(value) if isinstance(value, str) else _clean(value, depth=3)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def _clean(value: object, depth: int) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _clean_text(value)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case list() | tuple() | set() | frozenset() if depth:
            return [_clean(item, depth - 1) for item in list(value)[:ITEMS_MAX]]
        case dict() if depth:
            items = list(value.items())[:ITEMS_MAX]
            return {
                str(k): REDACTED if _is_secret(str(k)) else _clean(v, depth - 1) for k, v in items
            }
        case BaseException():
            return _clean_text(f"{type(value).__name__}: {value}")
    return f"<{type(value).__name__}>"


def _clean_text(text: str) -> str:
    if len(text) > TEXT_CHARS_MAX:
        text = text[:TEXT_CHARS_MAX] + "…"
    if "://" in text:
        text = _URL.sub(r"\1\2", text)
    if "whs" in text or "hk_" in text or "Bearer " in text:  # three scans cost less than a regex
        text = _SECRET_TEXT.sub(rf"\1{REDACTED}", text)
    return text


def _render(settings: LogSettings) -> list[Processor]:
    if settings.format == "json":
        return [structlog.processors.JSONRenderer(serializer=_to_json)]
    console = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return [console, _encode]


def _to_json(event: EventDict, **_options: object) -> bytes:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate or an integer beyond 64 bits: slower, never lost
        text = json.dumps(event, default=repr, ensure_ascii=False)
        return text.encode(errors="replace")


def _encode(_logger: WrappedLogger, _method: str, line: object) -> bytes:
    return str(line).encode(errors="backslashreplace")
