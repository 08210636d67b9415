"""`POST /v1/events` and `POST /v1/events/batch`."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from chassis.clock import Clock
from gateway.access import PRINCIPAL
from gateway.admission import (
    Ambience,
    admit_binary,
    admit_native,
    admit_structured,
    parse_idempotency_key,
)
from gateway.documents import JsonRefused, split_array
from gateway.hops import HOPS_HEADER, parse_hops
from gateway.ingest_rules import Accepted, IngestRules
from gateway.intake import Intake, Place
from gateway.metrics import GatewayMetrics
from gateway.problems import Code, Problem, RefusedError
from gateway.publish import NotPublished, Published
from gateway.reading import header_of, hold_place, media_type_of, read_body, unsupported
from gateway.responses import json_response, problem_response
from gateway.sending import Sending
from gateway.tracing import traces_of
from schemas.cloudevents import STRUCTURED_PREFIX
from schemas.event import Event
from schemas.ids import webhook_id

BATCH_ITEMS_MAX: Final = 1_000

_NATIVE: Final = "application/json"
_STRUCTURED: Final = "application/cloudevents+json"
_CLOUDEVENTS_BATCH: Final = "application/cloudevents-batch+json"
_ENVELOPE_BYTES_MAX: Final = 64 * 1024
_ITEMS_PER_TURN: Final = 32
_RETRIABLE: Final = frozenset({Code.UNAVAILABLE, Code.UNKNOWN, Code.QUOTA_EXCEEDED})
_PROBLEM_DETAILS: Final = {
    Code.UNAVAILABLE: "Kafka does not take events now; nothing was written",
    Code.UNKNOWN: "Kafka did not acknowledge in time: send the event again with the same id",
}


@dataclass(frozen=True, slots=True)
class EventLimits:
    """The bounds of ingest; see `gateway.settings.HttpSettings`."""

    event_bytes_max: int
    body_bytes_max: int
    body_timeout_s: float

    @property
    def document_bytes_max(self) -> int:
        """Bytes of one event as a document: its data may be in base64, plus the envelope."""
        return self.event_bytes_max * 4 // 3 + _ENVELOPE_BYTES_MAX


Outcome = tuple[Accepted | None, Published | Problem]


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
            return await self._take_batch(request, admit_structured_item)
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
        return _single_answer(outcome, self._quota_headers(request, [admitted]))

    async def post_batch(self, request: web.Request) -> web.Response:
        """Take a JSON array of events in the native shape."""
        media_type = media_type_of(request)
        if media_type == _CLOUDEVENTS_BATCH:
            return await self._take_batch(request, admit_structured_item)
        if media_type != _NATIVE:
            raise RefusedError(unsupported(frozenset({_NATIVE, _CLOUDEVENTS_BATCH})))
        return await self._take_batch(request, admit_native_item)

    async def _take_batch(
        self, request: web.Request, admit: Callable[[bytes, Ambience, int], Event | Problem]
    ) -> web.Response:
        ambience = self._ambience(request)
        bound = self._limits.body_bytes_max
        with self._place(request, bound):
            items = _split(await self._read(request, bound))
            admitted = []
            for index, item in enumerate(items):
                admitted.append(admit(item, ambience, index))
                if index % _ITEMS_PER_TURN == _ITEMS_PER_TURN - 1:
                    await asyncio.sleep(0)
            outcomes = await self._publish(request, admitted)
        return _batch_answer(outcomes, self._quota_headers(request, admitted))

    async def _publish(
        self, request: web.Request, admitted: Sequence[Event | Problem]
    ) -> list[Outcome]:
        """Publish what was admitted and keeps the rules, in its order; count every item once."""
        now_s, principal = self._clock.monotonic(), request[PRINCIPAL]
        judged = [
            one if isinstance(one, Problem) else self._rules.judge(one, principal, now_s)
            for one in admitted
        ]
        events = [one.event for one in judged if isinstance(one, Accepted)]
        published = await self._sending.send(request, events)
        answers = iter(published)
        outcomes: list[Outcome] = []
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


def admit_native_item(raw: bytes, ambience: Ambience, index: int) -> Event | Problem:
    """Judge one item of `POST /v1/events/batch`."""
    return admit_native(raw, ambience, index=index)


def admit_structured_item(raw: bytes, ambience: Ambience, _index: int) -> Event | Problem:
    """Judge one item of a CloudEvents batch, which always has its own id."""
    return admit_structured(raw, ambience)


def _split(body: bytes) -> list[bytes]:
    items = split_array(body, items_max=BATCH_ITEMS_MAX)
    if items is None:
        raise RefusedError(Problem(Code.TOO_LARGE, f"a batch has at most {BATCH_ITEMS_MAX} items"))
    if isinstance(items, JsonRefused):
        raise RefusedError(Problem(Code.INVALID_JSON, items.detail))
    if not items:
        raise RefusedError(Problem(Code.VALIDATION_FAILED, "a batch has at least one item"))
    return items


def place_or_problem(answer: Published | NotPublished) -> Published | Problem:
    """Give where a record lies, or why that is not known."""
    if isinstance(answer, Published):
        return answer
    return Problem(answer.code, _PROBLEM_DETAILS[answer.code])


def _ids_of(accepted: Accepted | None) -> dict[str, object]:
    if accepted is None:
        return {}
    event = accepted.event
    identity = webhook_id(event.subscriber, event.source, event.id)
    return {"id": event.id, "webhook_id": identity}


def _warnings_of(accepted: Accepted) -> dict[str, object]:
    if not accepted.warnings:
        return {}
    return {"warnings": [{"pointer": w.pointer, "detail": w.detail} for w in accepted.warnings]}


def _single_answer(outcome: Outcome, headers: Mapping[str, str]) -> web.Response:
    accepted, result = outcome
    if isinstance(result, Problem) or accepted is None:
        problem = result if isinstance(result, Problem) else Problem(Code.INTERNAL, "no event")
        return problem_response(problem, extra=_ids_of(accepted), headers=headers)
    answer = _ids_of(accepted) | {
        "subscriber": accepted.event.subscriber,
        "partition": result.partition,
        "offset": result.offset,
        **_warnings_of(accepted),
    }
    return json_response(answer, status=web.HTTPAccepted.status_code, headers=headers)


def _batch_answer(outcomes: Sequence[Outcome], headers: Mapping[str, str]) -> web.Response:
    """Answer 202 when one was accepted; else 503 or 429 when trying again may help, else 422."""
    items = [_item_of(index, outcome) for index, outcome in enumerate(outcomes)]
    problems = [result for _, result in outcomes if isinstance(result, Problem)]
    if len(problems) < len(outcomes):
        return json_response({"items": items}, status=web.HTTPAccepted.status_code, headers=headers)
    retriable = next((one for one in problems if one.code in _RETRIABLE), None)
    problem = retriable or Problem(Code.VALIDATION_FAILED, "no item of the batch was accepted")
    return problem_response(problem, extra={"items": items}, headers=headers)


def _item_of(index: int, outcome: Outcome) -> Mapping[str, object]:
    accepted, result = outcome
    if isinstance(result, Problem) or accepted is None:
        problem = result if isinstance(result, Problem) else Problem(Code.INTERNAL, "no event")
        refusal = {"status": int(problem.status), "code": str(problem.code)}
        return {"index": index, **refusal, "detail": problem.detail, **_ids_of(accepted)}
    place = {"partition": result.partition, "offset": result.offset}
    status = web.HTTPAccepted.status_code
    return {
        "index": index,
        "status": status,
        **_ids_of(accepted),
        **place,
        **_warnings_of(accepted),
    }
