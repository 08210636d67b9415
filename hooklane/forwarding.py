"""Pass deliveries on to a program on this machine, and its answers back.

What the program answers is what the gateway gets, with `Retry-After` and `webhook-delivery`: so a
failure is tried again as in production. Bounded in time and size; follows no redirect.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from hooklane.exits import INVALID, CommandFailed
from hooklane.receiver import Arrival, Reply

TIMEOUT_S: Final = 30.0
BAD_GATEWAY: Final = 502
GATEWAY_TIMEOUT: Final = 504
_RELAYED: Final = ("retry-after", "webhook-delivery")
# Those of one connection, and what the client writes itself.
_LEFT_OUT: Final = frozenset({"host", "content-length", "connection", "transfer-encoding"})


class Forwarder:
    """Posts to one URL over a session that somebody else closes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = _checked(url)
        self._session = session

    async def forward(self, arrival: Arrival) -> Reply:
        """POST the very bytes; 502 when nobody is there, 504 when there is no answer in time."""
        sent = {name: v for name, v in arrival.headers.items() if name not in _LEFT_OUT}
        try:
            async with self._session.post(
                self._url, data=arrival.body, headers=sent, allow_redirects=False
            ) as answer:
                back = {name: answer.headers[name] for name in _RELAYED if name in answer.headers}
                return Reply(answer.status, back)
        except TimeoutError:
            limit_s = self._session.timeout.total
            return Reply(GATEWAY_TIMEOUT, note=f"no answer within {limit_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Reply(BAD_GATEWAY, note=str(error) or type(error).__name__)


@asynccontextmanager
async def forwarding(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Forwarder]:
    """Give a forwarder, whose session ends with the block; CommandFailed when the URL is none."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(
        timeout=timeout, auto_decompress=False, trust_env=False
    ) as session:
        yield Forwarder(url, session)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandFailed(INVALID, "--forward-to is not like http://localhost:3000/hooks")
    return url
