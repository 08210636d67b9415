"""Read what an HTTP request brings, within bounds of time and size.

aiohttp would wait for ever for a body that does not come, inflate a compressed one, and answer
with HTML when it is too large; so bodies are read here.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import StreamReader, hdrs, web
from aiohttp.client_exceptions import ClientPayloadError

from gateway.access import admit_again
from gateway.documents import JsonObject, JsonRefused, JsonValue, parse_object
from gateway.intake import Intake, Place
from gateway.problems import Code, Problem, RefusedError

_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]*)\"?", re.IGNORECASE)
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
MANAGEMENT_BODY_BYTES_MAX: Final = 256 * 1024
JSON_ONLY: Final = frozenset({"application/json"})


def hold_place(request: web.Request, intake: Intake, *, body_bytes_max: int) -> Place:
    """Take a place for a request and the bytes of its body; 503 at once when there is none.

    A body without a declared length counts as the largest one.
    """
    declared = request.content_length
    body_bytes = body_bytes_max if declared is None else min(declared, body_bytes_max)
    if not intake.enter(body_bytes):
        detail = "the gateway serves as many requests as it may: try again"
        raise RefusedError(Problem(Code.UNAVAILABLE, detail))
    return Place(intake, body_bytes)


async def read_body(request: web.Request, *, body_bytes_max: int, timeout_s: float) -> bytes:
    """Read a whole body; 413 above the bound, 408 when it does not arrive in time.

    One that comes after its head may come long after it: then its key is judged again.
    """
    declared = request.content_length
    if declared is not None and declared > body_bytes_max:
        raise RefusedError(_too_large(body_bytes_max))
    content = request.content
    try:
        if content.is_eof():  # most bodies came with their head: no timer is needed
            return await _collect(content, body_bytes_max)
        async with asyncio.timeout(timeout_s):
            body = await _collect(content, body_bytes_max)
    except TimeoutError:
        detail = f"the body did not arrive within {timeout_s:g} s"
        raise RefusedError(Problem(Code.TIMEOUT, detail)) from None
    except (ClientPayloadError, web.RequestPayloadError):
        detail = "the body is not framed as HTTP says"
        raise RefusedError(Problem(Code.INVALID_REQUEST, detail)) from None
    except ConnectionError:
        # Nobody is there to read it, but it is counted, and it is no fault of ours.
        detail = "the connection broke before the body was there"
        raise RefusedError(Problem(Code.INVALID_REQUEST, detail)) from None
    await admit_again(request)
    return body


async def _collect(content: StreamReader, body_bytes_max: int) -> bytes:
    body = bytearray()
    while chunk := await content.readany():
        body += chunk
        if len(body) > body_bytes_max:
            raise RefusedError(_too_large(body_bytes_max))
    return bytes(body)


async def read_object(
    request: web.Request,
    *,
    media_types: frozenset[str],
    timeout_s: float,
    is_optional: bool = False,
) -> JsonObject:
    """Read the body of a management call: one strict JSON object, or nothing where it may be."""
    is_right_type = media_type_of(request) in media_types
    if not is_right_type and not is_optional:
        raise RefusedError(unsupported(media_types))
    body = await read_body(request, body_bytes_max=MANAGEMENT_BODY_BYTES_MAX, timeout_s=timeout_s)
    if is_optional and not body:  # clients name all sorts of types for no body
        return JsonObject({}, {})
    if not is_right_type:
        raise RefusedError(unsupported(media_types))
    document = parse_object(body)
    if isinstance(document, JsonRefused):
        raise RefusedError(document.problem())
    return document


class BodyReader:
    """Reads the bodies of management calls, each within its place of the intake."""

    def __init__(self, intake: Intake, *, timeout_s: float) -> None:
        self._intake = intake
        self._timeout_s = timeout_s

    async def members(
        self,
        request: web.Request,
        media_types: frozenset[str] = JSON_ONLY,
        *,
        is_optional: bool = False,
    ) -> Mapping[str, JsonValue]:
        """Read one strict JSON object."""
        return (await self.document(request, media_types, is_optional=is_optional)).members

    async def document(
        self,
        request: web.Request,
        media_types: frozenset[str] = JSON_ONLY,
        *,
        is_optional: bool = False,
    ) -> JsonObject:
        """Read one strict JSON object with the raw bytes of its members."""
        with hold_place(request, self._intake, body_bytes_max=MANAGEMENT_BODY_BYTES_MAX):
            return await read_object(
                request,
                media_types=media_types,
                timeout_s=self._timeout_s,
                is_optional=is_optional,
            )


def media_type_of(request: web.Request) -> str:
    """Give the media type in lower case, empty when there is none; 415 for another encoding."""
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if coding != "identity":
        detail = "a Content-Encoding is not supported: send the body as it is"
        raise RefusedError(Problem(Code.UNSUPPORTED_MEDIA_TYPE, detail))
    values = request.headers.getall(hdrs.CONTENT_TYPE, [])
    if len(values) > 1:
        raise RefusedError(Problem(Code.INVALID_REQUEST, "Content-Type occurs twice"))
    content_type = values[0] if values else ""
    charset = _CHARSET.search(content_type)
    if charset is not None and charset.group(1).lower() not in _UTF8:
        detail = "the charset is not supported: send UTF-8"
        raise RefusedError(Problem(Code.UNSUPPORTED_MEDIA_TYPE, detail))
    return content_type.partition(";")[0].strip().lower()


def header_of(request: web.Request, name: str) -> str | None:
    """Give a header that may occur once only; 400 when it occurs more often."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise RefusedError(Problem(Code.INVALID_REQUEST, f"{name} occurs twice"))
    return values[0] if values else None


def unsupported(media_types: frozenset[str]) -> Problem:
    """Say which media types a call takes."""
    return Problem(Code.UNSUPPORTED_MEDIA_TYPE, f"send one of: {', '.join(sorted(media_types))}")


def _too_large(body_bytes_max: int) -> Problem:
    return Problem(Code.TOO_LARGE, f"the body is above {body_bytes_max} bytes")
