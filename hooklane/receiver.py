"""A webhook receiver for people: verifies each POST, shows it, answers 204 or as it is told.

Any path. A request that cannot be verified is answered 401 and so tried again by the deliverer,
as a careful receiver of a customer would do it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from hooklane.output import BOLD, DIM, GREEN, RED, Paint
from hooklane.signature import Rejected, Verified, verify

BODY_BYTES_MAX = 2 * 1024 * 1024
SHOWN_BODY_CHARS = 500
SHUTDOWN_S = 1.0
NO_CONTENT, UNAUTHORIZED = 204, 401


@dataclass(frozen=True, slots=True)
class Arrival:
    """One POST as it came in; `verdict` is None when there is no secret to check with."""

    headers: Mapping[str, str]
    body: bytes
    verdict: Verified | Rejected | None

    @property
    def is_verified(self) -> bool:
        """Whether the signature was checked and is good."""
        return isinstance(self.verdict, Verified)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a POST is answered; `note` is for the one who looks on."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


async def accept(arrival: Arrival) -> Reply:
    """Take what is ours, and what nobody can check; turn a forgery away."""
    return Reply(UNAUTHORIZED if isinstance(arrival.verdict, Rejected) else NO_CONTENT)


def _ignore(arrival: Arrival) -> None:
    """Show nothing."""


class Receiver:
    """The HTTP server; calls back with each arrival inside the event loop.

    `on_arrival` sees it before it is answered, `respond` says with what.
    """

    def __init__(
        self,
        *,
        key: bytes | None,
        now_s: Callable[[], float],
        on_arrival: Callable[[Arrival], None] = _ignore,
        respond: Callable[[Arrival], Awaitable[Reply]] = accept,
    ) -> None:
        self._key = key
        self._now_s = now_s
        self._on_arrival = on_arrival
        self._respond = respond
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (0 chooses a free one). OSError when it is taken."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/healthz", _healthz)
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the server and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verdict = (
            None if self._key is None else verify(self._key, headers, body, now_s=self._now_s())
        )
        arrival = Arrival(headers, body, verdict)
        self._on_arrival(arrival)
        reply = await self._respond(arrival)
        return web.Response(status=reply.status, headers=reply.headers)


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def describe(arrival: Arrival, paint: Paint) -> str:
    """Write an arrival for a person: what, which attempt, is it ours, what is inside."""
    headers = arrival.headers
    title = headers.get("ce-type", headers.get("content-type", "event"))
    lines = [
        paint(f"<- delivery  {title}", BOLD)
        + f"  attempt {headers.get('webhook-attempt', '?')}"
        + f"  sequence {headers.get('webhook-sequence', '?')}"
    ]
    shown = ("webhook-id", "webhook-timestamp", "webhook-signature", "webhook-replay")
    lines += [f"   {name:<18} {headers[name]}" for name in shown if name in headers]
    lines.append(f"   {'signature':<18} {_verdict(arrival.verdict, paint)}")
    attributes = [name for name in headers if name.startswith("ce-")]
    lines += [paint(f"   {name:<18} {headers[name]}", DIM) for name in attributes]
    text = arrival.body.decode("utf-8", errors="replace")
    more = "…" if len(text) > SHOWN_BODY_CHARS else ""
    lines.append(f"   {'body':<18} {text[:SHOWN_BODY_CHARS]}{more}")
    return "\n".join(lines)


def _verdict(verdict: Verified | Rejected | None, paint: Paint) -> str:
    match verdict:
        case Verified():
            return paint("verified", GREEN)
        case Rejected(reason):
            return paint(f"NOT VERIFIED: {reason}", RED)
        case None:
            return "not checked (no --secret)"
