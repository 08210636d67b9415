"""The port between the deliverer and whatever sends its requests. Pure."""

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from schemas.outcome import Outcome

MaySend = Callable[[], bool]
BlockedReason = Literal["address", "dns", "scheme", "port"]


def always() -> bool:
    """Allow it."""
    return True


class PreparedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request, ready for the wire: `head` ends with the blank line, `body` is what was signed.

    `host` is a lower-case ASCII name or the text of an address without brackets. `timeout_s` bounds
    the whole attempt, from the look-up of the name to the last header field of the answer.
    """

    scheme: str
    host: str
    port: int
    target: bytes
    head: bytes
    body: bytes
    timeout_s: float

    def __repr__(self) -> str:
        """Show no part of it: the head may hold credentials, the URL is sealed."""
        return f"PreparedRequest(<{len(self.head)}+{len(self.body)} bytes>)"


class AttemptResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended. `status` is only ever the receiver's own.

    `retry_after` and `webhook_delivery` are the raw header values; `response` is the start of the
    body as received, at most 4,096 bytes. `detail` is for the operator: no URL, no secret.
    """

    outcome: Outcome
    status: int | None = None
    retry_after: str | None = None
    webhook_delivery: str | None = None
    response: bytes = b""
    detail: str | None = None
    is_reused: bool = False
    duration_ms: int = 0
    blocked_reason: BlockedReason | None = None


Ended = Callable[[AttemptResult], None]
Cut = Callable[[], None]


class Sender(Protocol):
    """Sends prepared requests.

    `may_send` is asked right before bytes are written; on False the outcome is `cancelled`.
    """

    def begin(self, request: PreparedRequest, ended: Ended, *, may_send: MaySend = always) -> Cut:
        """Send one request; `ended` is called once, never before this returned.

        Or never, when the function that is returned is called first: it cuts the attempt off.
        """
        ...
