"""The one HTTP client of the command line. Bounded in time and size; follows no redirect.

The key goes to HOOKLANE_URL and nowhere else: a redirect is a failure, not a place to follow it to.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeGuard
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from yarl import URL

from hooklane.api_problem import refusal
from hooklane.exits import FAILURE, INVALID, NETWORK, CommandFailed
from hooklane.output import report

URL_VARIABLE: Final = "HOOKLANE_URL"
KEY_VARIABLE: Final = "HOOKLANE_KEY"
CONNECT_TIMEOUT_S: Final = 5.0
TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
PAGE_ITEMS: Final = 250
PAGES_MAX: Final = 1_000
WAIT_S_MAX: Final = 60
WAITS_MAX: Final = 20

_ERROR_MIN: Final = 400
_REDIRECT_MIN: Final = 300
_JSON: Final = "application/json"
_WAITING: Final = frozenset({"quota_exceeded", "unavailable"})


class Unreached(CommandFailed):
    """No connection came about, so nothing can have been done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `document` is the decoded JSON, plain text of something else, or None."""

    status: int
    document: object
    etag: str | None = None
    retry_after: str | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the status says no."""
        return self.status >= _ERROR_MIN

    @property
    def members(self) -> Mapping[str, object]:
        """The document as an object; CommandFailed when it is none."""
        if not isinstance(self.document, dict):
            raise CommandFailed(FAILURE, f"the gateway answered {self.status} without an object")
        return self.document

    @property
    def wait_s(self) -> int | None:
        """After how long the same request can succeed; None when waiting is no answer.

        Only where nothing was done: a 503 `unknown` may have been carried out.
        """
        code = self.document.get("code") if isinstance(self.document, dict) else None
        text = self.retry_after or ""
        if code not in _WAITING or not (text.isascii() and text.isdigit()):
            return None
        return wait_s if (wait_s := int(text)) <= WAIT_S_MAX else None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the gateway is and who asks."""

    url: str
    key: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Read HOOKLANE_URL and HOOKLANE_KEY; CommandFailed names the one that is missing."""
        url, key = variables.get(URL_VARIABLE, "").strip(), variables.get(KEY_VARIABLE, "").strip()
        missing = [n for n, v in ((URL_VARIABLE, url), (KEY_VARIABLE, key)) if not v]
        if missing:
            example = "HOOKLANE_URL=http://localhost:8080 HOOKLANE_KEY=…"
            raise CommandFailed(INVALID, f"{' and '.join(missing)} not set, for example {example}")
        return cls(_checked_url(url), _checked_key(key))


class ApiClient:
    """An async context; one session, one request after the other."""

    def __init__(
        self,
        target: Target,
        *,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._target = target
        self._sleep = sleep
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        headers = {"authorization": f"Bearer {self._target.key}", "accept": _JSON}
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=self._timeout, trust_env=False
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str) -> Answer:
        """Fetch; a refusal is raised."""
        return _accepted("GET " + path, await self.exchange("GET", path))

    async def send(
        self, method: str, path: str, document: object = None, *, if_match: object = None
    ) -> Answer:
        """Send a JSON document; a refusal is raised. `if_match` is a version, or None.

        When the gateway asks to come back later that is done, at most WAITS_MAX times.
        """
        headers = {} if if_match is None else {"if-match": f'"{if_match}"'}
        body = None if document is None else json.dumps(document).encode()
        answer = await self.exchange(method, path, body, headers=headers)
        for _ in range(WAITS_MAX):
            if answer.wait_s is None:
                break
            report(f"the gateway asks to wait {answer.wait_s} s")
            await self._sleep(answer.wait_s)
            answer = await self.exchange(method, path, body, headers=headers)
        return _accepted(f"{method} {path}", answer)

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one request and give its answer whatever it says; raises for the network only."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("content-type", _JSON)
        url = URL(self._target.url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, data=body, headers=sent, allow_redirects=False
            ) as answer:
                raw = await _read(answer)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            text = f"{method} {path}: cannot connect to {self._target.url}{_cause(error)}"
            raise Unreached(NETWORK, text) from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            text = f"{method} {self._target.url}{path}: {_reason(error)}"
            raise CommandFailed(NETWORK, text) from error
        if _REDIRECT_MIN <= answer.status < _ERROR_MIN:
            text = f"{method} {path}: {answer.status}, a redirect: set HOOKLANE_URL to its target"
            raise CommandFailed(FAILURE, text)
        return Answer(
            answer.status,
            _decoded(raw),
            etag=answer.headers.get("etag"),
            retry_after=answer.headers.get("retry-after"),
        )

    async def items(self, path: str, **query: str) -> list[Mapping[str, object]]:
        """Read a list to its end, page by page; bounded by PAGES_MAX pages."""
        found: list[Mapping[str, object]] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            asked = {**query, "limit": str(PAGE_ITEMS), **({"cursor": cursor} if cursor else {})}
            page = (await self.get(f"{path}?{urlencode(asked)}")).members
            items = page.get("items")
            found += [one for one in items if isinstance(one, dict)] if _is_list(items) else []
            following = page.get("next_cursor")
            if not following:
                return found
            cursor = str(following)
        raise CommandFailed(FAILURE, f"{path} has more than {PAGES_MAX * PAGE_ITEMS} items")


def segment(text: object) -> str:
    """Write a value as one segment of a path, whatever characters it has."""
    return quote(str(text), safe="")


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _accepted(what: str, answer: Answer) -> Answer:
    if answer.is_refused:
        raise refusal(what.partition("?")[0], answer.status, answer.document)
    return answer


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise CommandFailed(INVALID, f"{URL_VARIABLE} is not like https://hooks.example.com")
    return url.rstrip("/").removesuffix("/v1")


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CommandFailed(INVALID, f"{KEY_VARIABLE} holds characters that no key has")
    return key


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Read the body, at most ANSWER_BYTES_MAX of it."""
    raw = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        raw += chunk
        if len(raw) > ANSWER_BYTES_MAX:
            raise CommandFailed(FAILURE, f"an answer above {ANSWER_BYTES_MAX} bytes")
    return bytes(raw)


def _decoded(raw: bytes) -> object:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _cause(error: BaseException) -> str:
    os_error = getattr(error, "os_error", None)
    number = getattr(os_error, "errno", None)
    if isinstance(number, int) and number > 0:
        return f" ({os.strerror(number)})"
    text = getattr(os_error, "strerror", None)
    return f" ({text})" if text else ""


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
