"""`POST /v1/events` and `POST /v1/events/batch`."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from chassis.clock import Clock
from gateway.access import PRINCIPAL
from gateway.admission import (
    Ambience,
    admit_binary,
    admit_native,
    admit_plain,
    admit_structured,
    parse_idempotency_key,
)
from gateway.answers import (
    ALWAYS,
    Answer,
    ItemOutcome,
    batch_answer,
    place_or_problem,
    single_answer,
)
from gateway.documents import JsonRefused, split_array
from gateway.hops import HOPS_HEADER, parse_hops
from gateway.ingest_rules import Accepted, IngestRules
from gateway.intake import Intake, Place
from gateway.limits import EventLimits
from gateway.metrics import GatewayMetrics
from gateway.native import read_plain_batch
from gateway.problems import Code, FieldError, Problem, RefusedError, invalid
from gateway.reading import header_of, hold_place, media_type_of, read_body, unsupported
from gateway.sending import Sending
from gateway.tracing import traces_of
from schemas.cloudevents import STRUCTURED_PREFIX
from schemas.event import Event
from schemas.ids import siblings_of

BATCH_ITEMS_MAX: Final = 1_000

_NATIVE: Final = "application/json"
_STRUCTURED: Final = "application/cloudevents+json"
_CLOUDEVENTS_BATCH: Final = "application/cloudevents-batch+json"
_ITEMS_PER_TURN: Final = 64

T = TypeVar("T")
R = TypeVar("R")
Admitted = Sequence[Event | Problem]


class EventHandlers:
    """The handlers of both routes, and what they work with."""

    def __init__(
        self,
        *,
        sending: Sending,
        limits: EventLimits,
        intake: Intake,
        rules: IngestRules,
        metrics: GatewayMetrics,
        clock: Clock,
        fresh_event_id: Callable[[], str],
    ) -> None:
        self._sending = sending
        self._limits = limits
        self._intake = intake
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._fresh_event_id = fresh_event_id

    async def post_event(self, request: web.Request) -> web.Response:
        """Take one event in any form, or a CloudEvents batch."""
        media_type = media_type_of(request)
        if media_type == _CLOUDEVENTS_BATCH:
            return await self._take_batch(request, _admit_structured_batch)
        is_binary = not media_type.startswith(STRUCTURED_PREFIX) and any(
            name.lower().startswith("ce-") for name in request.headers
        )
        if not is_binary and media_type not in {_NATIVE, _STRUCTURED}:
            raise RefusedError(unsupported(frozenset({_NATIVE, _STRUCTURED, _CLOUDEVENTS_BATCH})))
        ambience = self._ambience(request)
        bound = self._limits.event_bytes_max if is_binary else self._limits.document_bytes_max
        with self._place(request, bound):
            body = await self._read(request, bound)
            if is_binary:
                admitted = admit_binary(request.headers, body, ambience)
            elif media_type == _STRUCTURED:
                admitted = admit_structured(body, ambience)
            else:
                admitted = admit_native(body, ambience)
            (outcome,) = await self._publish(request, [admitted])
        return _respond(single_answer(*outcome, self._quota_headers(request, [admitted])))

    async def post_batch(self, request: web.Request) -> web.Response:
        """Take a JSON array of events in the native shape."""
        media_type = media_type_of(request)
        if media_type == _CLOUDEVENTS_BATCH:
            return await self._take_batch(request, _admit_structured_batch)
        if media_type != _NATIVE:
            raise RefusedError(unsupported(frozenset({_NATIVE, _CLOUDEVENTS_BATCH})))
        return await self._take_batch(request, _admit_native_batch)

    async def _take_batch(
        self, request: web.Request, admit: Callable[[bytes, Ambience], Awaitable[Admitted]]
    ) -> web.Response:
        ambience = self._ambience(request)
        bound = self._limits.body_bytes_max
        with self._place(request, bound):
            body = await self._read(request, bound)
            admitted = await admit(body, ambience)
            outcomes = await self._publish(request, admitted)
        return _respond(batch_answer(outcomes, self._quota_headers(request, admitted)))

    async def _publish(
        self, request: web.Request, admitted: Sequence[Event | Problem]
    ) -> list[ItemOutcome]:
        """Publish what was admitted and keeps the rules, in its order; count every item once."""
        now_s, principal = self._clock.monotonic(), request[PRINCIPAL]
        judged = [
            one if isinstance(one, Problem) else self._rules.judge(one, principal, now_s)
            for one in admitted
        ]
        events = [one.event for one in judged if isinstance(one, Accepted)]
        published = await self._sending.send(request, events)
        answers = iter(published)
        outcomes: list[ItemOutcome] = []
        codes: Counter[Code | None] = Counter()
        for one in judged:
            if isinstance(one, Problem):
                outcomes.append((None, one))
            else:
                outcomes.append((one, place_or_problem(next(answers))))
            result = outcomes[-1][1]
            codes[result.code if isinstance(result, Problem) else None] += 1
        for code, count in codes.items():
            self._metrics.count(code, count)
        return outcomes

    def _quota_headers(
        self, request: web.Request, admitted: Sequence[Event | Problem]
    ) -> dict[str, str]:
        """Tell what is left, if all events of the request draw on the same quotas."""
        subscribers = {one.subscriber for one in admitted if isinstance(one, Event)}
        principal = request[PRINCIPAL]
        only = subscribers.pop() if len(subscribers) == 1 else ""
        if not principal.sees(only):
            only = ""
        return self._rules.headers(only, principal, self._clock.monotonic())

    def _place(self, request: web.Request, bound: int) -> Place:
        """Take a place while the request is served; count it when there is none."""
        try:
            return hold_place(request, self._intake, body_bytes_max=bound)
        except RefusedError as refused:
            self._metrics.count(refused.problem.code)
            raise

    async def _read(self, request: web.Request, bound: int) -> bytes:
        timeout_s = self._limits.body_timeout_s
        try:
            return await read_body(request, body_bytes_max=bound, timeout_s=timeout_s)
        except RefusedError as refused:
            self._metrics.count(refused.problem.code)
            raise

    def _ambience(self, request: web.Request) -> Ambience:
        key = parse_idempotency_key(header_of(request, "Idempotency-Key"))
        if isinstance(key, Problem):
            raise RefusedError(key)
        hops = parse_hops(header_of(request, HOPS_HEADER))
        if isinstance(hops, Problem):
            self._metrics.count(hops.code)
            raise RefusedError(hops)
        return Ambience(
            now_ms=self._clock.now_ms(),
            fresh_event_id=self._fresh_event_id,
            idempotency_key=key,
            traces=traces_of(request),
            hops=hops,
            data_bytes_max=self._limits.event_bytes_max,
        )


async def _admit_native_batch(body: bytes, ambience: Ambience) -> Admitted:
    """Judge an array of events in the native shape; most are plain, all of them."""
    natives = read_plain_batch(body)
    if natives is not None and 1 <= len(natives) <= BATCH_ITEMS_MAX:
        ids = siblings_of(ambience.fresh_event_id(), len(natives))
        plain = msgspec.structs.replace(ambience, fresh_event_id=iter(ids).__next__)
        events = await _in_turns(natives, lambda one, index: admit_plain(one, plain, index))
        good = [one for one in events if one is not None]
        if len(good) == len(natives):
            return good
    return await _in_turns(
        _split(body), lambda item, index: admit_native(item, ambience, index=index)
    )


async def _admit_structured_batch(body: bytes, ambience: Ambience) -> Admitted:
    """Judge a CloudEvents batch, of which each item has its own id."""
    return await _in_turns(_split(body), lambda item, _: admit_structured(item, ambience))


async def _in_turns(items: Sequence[T], judge: Callable[[T, int], R]) -> list[R]:
    """Judge all items, and let others work in between."""
    judged = []
    for index, item in enumerate(items):
        judged.append(judge(item, index))
        if index % _ITEMS_PER_TURN == _ITEMS_PER_TURN - 1:
            await asyncio.sleep(0)
    return judged


def _split(body: bytes) -> list[bytes]:
    items = split_array(body, items_max=BATCH_ITEMS_MAX)
    if items is None:
        raise RefusedError(Problem(Code.TOO_LARGE, f"a batch has at most {BATCH_ITEMS_MAX} items"))
    if isinstance(items, JsonRefused):
        raise RefusedError(items.problem())
    if not items:
        raise RefusedError(invalid([FieldError("", "a batch has at least one item")]))
    return items


def _respond(answer: Answer) -> web.Response:
    return web.Response(
        body=answer.body,
        status=answer.status,
        content_type=answer.content_type,
        headers={**ALWAYS, **answer.headers},
    )
