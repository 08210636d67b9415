"""`hooklane listen`: receive webhooks on this machine, by a subscription that ends with it."""

import asyncio
import base64
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from chassis.clock import Clock, SystemClock
from hooklane.api_client import ApiClient, Target, segment
from hooklane.api_problem import Refused
from hooklane.exits import FAILURE, INVALID, OK, CommandFailed
from hooklane.forwarding import Forwarder, forwarding
from hooklane.listening import Wish, document_of, leftovers, mark_of, subscription_body
from hooklane.output import GREEN, RED, Form, Paint, has_color, report
from hooklane.receiver import Arrival, Receiver, Reply, accept, describe
from hooklane.signature import SECRET_PREFIX, Rejected, secret_bytes
from hooklane.surroundings import process_space

SECRET_VARIABLE: Final = "WEBHOOK_SECRET"
_SECRET_BYTES: Final = 32
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_ACCEPTED: Final = range(200, 300)
_HINT: Final = (
    "  hint: the gateway must be able to reach this machine. One of `hooklane dev` here does; for"
    " another, let a tunnel lead to --port and name its address as --url"
)


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What to listen to, where, and what to do with it."""

    wish: Wish
    host: str = "127.0.0.1"
    port: int = 0
    url: str | None = None
    forward_to: str | None = None
    count: int | None = None


def parse_filter(text: str | None) -> Mapping[str, object] | None:
    """Read `--filter`; what it means is the gateway's to judge."""
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandFailed(INVALID, f"--filter is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise CommandFailed(INVALID, "--filter is a JSON object")
    return document


def run_listen(variables: Mapping[str, str], options: ListenOptions, form: Form) -> int:
    """Listen until SIGINT or SIGTERM, or until there were enough; gives the exit code."""
    return asyncio.run(_until_told(variables, options, form))


async def _until_told(variables: Mapping[str, str], options: ListenOptions, form: Form) -> int:
    stop = asyncio.Event()
    stop_at_signal(stop)
    return await listen(variables, options, form, stop=stop)


def stop_at_signal(stop: asyncio.Event) -> None:
    """Set the event at the first signal; the second one ends the process, whatever it waits for."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        stop.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, tell)


async def listen(
    variables: Mapping[str, str],
    options: ListenOptions,
    form: Form,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
) -> int:
    """Listen until `stop`; the subscription is gone when it returns."""
    target, secret = Target.of(variables), _secret_of(variables)
    desk = _Desk(form, Paint(is_on=has_color(sys.stdout, variables)), options.count, stop)
    clock = clock or SystemClock()
    receiver = Receiver(
        key=secret_bytes(secret), now_s=lambda: clock.now_ms() / 1000, respond=desk.respond
    )
    async with AsyncExitStack() as stack:
        if options.forward_to is not None:
            desk.forwarder = await stack.enter_async_context(forwarding(options.forward_to))
        port = await _open(receiver, options)
        stack.push_async_callback(receiver.stop)
        api = await stack.enter_async_context(ApiClient(target))
        url = options.url or f"http://{options.host}:{port}/"
        name = await _subscribe(api, options.wish, url, secret)
        try:
            _announce(options, name, url, None if variables.get(SECRET_VARIABLE) else secret)
            await stop.wait()
        finally:
            await _unsubscribe(api, options.wish.subscriber, name)
    sys.stdout.flush()  # one whose reader has gone ends as with any command, not at the very exit
    return OK


class _Desk:
    """Answers and shows what comes in, and says when that was enough."""

    def __init__(self, form: Form, paint: Paint, count: int | None, enough: asyncio.Event) -> None:
        self.forwarder: Forwarder | None = None
        self._form = form
        self._paint = paint
        self._left = count
        self._enough = enough

    async def respond(self, arrival: Arrival) -> Reply:
        """Answer one delivery; what cannot be verified is not passed on."""
        is_ours = not isinstance(arrival.verdict, Rejected)
        forwarder = self.forwarder if is_ours else None
        reply = await (accept(arrival) if forwarder is None else forwarder.forward(arrival))
        try:
            self._show(arrival, reply, is_forwarded=forwarder is not None)
        except BrokenPipeError:  # nobody looks on any more; the delivery is answered all the same
            self._enough.set()
        if self._left is not None and is_ours and reply.status in _ACCEPTED:
            self._left -= 1
            if self._left <= 0:
                self._enough.set()
        return reply

    def _show(self, arrival: Arrival, reply: Reply, *, is_forwarded: bool) -> None:
        if self._form == "json":
            print(document_of(arrival, reply), flush=True)
            return
        lines = [describe(arrival, self._paint)]
        if is_forwarded:
            color = GREEN if reply.status in _ACCEPTED else RED
            status = self._paint(str(reply.status), color)
            lines.append(f"   {'forwarded':<18} {status}  {reply.note}".rstrip())
        print("\n".join(lines), flush=True)


def _secret_of(variables: Mapping[str, str]) -> str:
    given = variables.get(SECRET_VARIABLE, "").strip()
    if not given:
        return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    try:
        secret_bytes(given)
    except ValueError as error:
        raise CommandFailed(INVALID, f"{SECRET_VARIABLE}: {error}") from error
    return given


async def _open(receiver: Receiver, options: ListenOptions) -> int:
    try:
        return await receiver.start(options.host, options.port)
    except OSError as error:
        text = f"cannot listen on {options.host}:{options.port} ({error.strerror or error})"
        raise CommandFailed(FAILURE, text) from error


async def _subscribe(api: ApiClient, wish: Wish, url: str, secret: str) -> str:
    """Create the subscription, after those that a killed process left behind are gone."""
    path, space = _path(wish.subscriber), process_space()
    for name in leftovers(await api.items(path), space, is_running=_is_running):
        report(f"deleting {name}, which an earlier `hooklane listen` left behind")
        await api.send("DELETE", f"{path}/{segment(name)}")
    body = subscription_body(wish, url, secret, mark_of(space, os.getpid()))
    try:
        made = await api.send("POST", path, body)
    except Refused as error:
        if "url_not_allowed" in str(error):
            raise CommandFailed(error.code, f"{error}\n{_HINT}") from error
        raise
    return str(made.members.get("id"))


async def _unsubscribe(api: ApiClient, subscriber: str, name: str) -> None:
    try:
        await api.send("DELETE", f"{_path(subscriber)}/{segment(name)}")
    except CommandFailed as error:
        raise CommandFailed(error.code, f"{name} is left behind: {error}") from error
    report(f"subscription {name} deleted")


def _announce(options: ListenOptions, name: str, url: str, secret: str | None) -> None:
    wish = options.wish
    report(f"{name}: {' '.join(wish.event_types) or 'all events'} of {wish.subscriber} to {url}")
    if options.forward_to is not None:
        report(f"each is passed on to {options.forward_to}")
    if secret is not None:
        report(f"secret {secret}")
    report("Ctrl-C ends it and deletes the subscription")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _path(subscriber: str) -> str:
    return f"/v1/subscribers/{segment(subscriber)}/subscriptions"
