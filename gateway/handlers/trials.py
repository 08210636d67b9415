"""Try things out: send a test event to a subscription, run a filter on an event."""

from collections.abc import Callable
from typing import Final

import orjson
from aiohttp import web

from chassis.clock import Clock
from gateway.access import FOREIGN_SUBSCRIBER, PRINCIPAL
from gateway.admission import DEFAULT_SOURCE, Ambience, admit_native
from gateway.answers import place_or_problem
from gateway.bodies import FilterTestBody, filter_errors, parse_body
from gateway.handlers.finding import find_subscription
from gateway.ingest_rules import IngestRules
from gateway.problems import Code, FieldError, Problem, RefusedError, invalid
from gateway.reading import BodyReader
from gateway.registry import Registry
from gateway.responses import json_response, problem_response
from gateway.sending import Sending
from gateway.tracing import traces_of
from schemas.event import Event
from schemas.filters import CompiledFilter, compile_filter, explain
from schemas.ids import webhook_id

TEST_TYPE: Final = "hooklane.test"


class TrialHandlers:
    """The handlers of `…/{id}/test` and `/v1/filters/test`."""

    def __init__(
        self,
        *,
        registry: Registry,
        sending: Sending,
        rules: IngestRules,
        bodies: BodyReader,
        clock: Clock,
        fresh_event_id: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._sending = sending
        self._rules = rules
        self._bodies = bodies
        self._clock = clock
        self._fresh_event_id = fresh_event_id

    async def send_test(self, request: web.Request) -> web.Response:
        """Write an event for this one subscription; paused ones get it too."""
        if await self._bodies.members(request, is_optional=True):
            raise RefusedError(invalid([FieldError("", "this call takes no fields")]))
        record = find_subscription(request, self._registry).record
        if record.status == "disabled":
            raise RefusedError(Problem(Code.CONFLICT, "the subscription is disabled"))
        principal, now_s = request[PRINCIPAL], self._clock.monotonic()
        refused = self._rules.spend(record.subscriber, principal, now_s)
        if refused is not None:
            headers = self._rules.headers(record.subscriber, principal, now_s)
            return problem_response(refused, headers=headers)
        event = Event(
            subscriber=record.subscriber,
            id=self._fresh_event_id(),
            source=DEFAULT_SOURCE,
            type=TEST_TYPE,
            datacontenttype="application/json",
            extensions=traces_of(request),
            data=orjson.dumps({"message": "a test", "subscription": record.id}),
            target=record.id,
            kind="test",
        )
        (answer,) = await self._sending.send(request, [event])
        place = place_or_problem(answer)
        identity = {"webhook_id": webhook_id(event.subscriber, event.source, event.id)}
        if isinstance(place, Problem):
            return problem_response(place, extra=identity)
        return json_response(identity, status=web.HTTPAccepted.status_code)

    async def test_filter(self, request: web.Request) -> web.Response:
        """Say whether an event would match, and why; nothing is written."""
        document = await self._bodies.document(request)
        errors = filter_errors(document.members.get("filter"))
        body = parse_body(FilterTestBody, document.members)
        if isinstance(body, list):
            raise RefusedError(invalid(errors or body))
        if errors:
            raise RefusedError(invalid(errors))
        ambience = Ambience(now_ms=self._clock.now_ms(), fresh_event_id=self._fresh_event_id)
        event = admit_native(document.raw["event"], ambience)
        if isinstance(event, Problem):
            raise RefusedError(below(event, "/event"))
        if not request[PRINCIPAL].sees(event.subscriber):
            raise RefusedError(FOREIGN_SUBSCRIBER)
        compiled = None if body.filter is None else compile_filter(body.filter)
        if isinstance(compiled, list):
            raise TypeError("a filter compiles once only")
        return json_response(_explained(event, body.event_types, compiled))


def _explained(
    event: Event, event_types: list[str], compiled: CompiledFilter | None
) -> dict[str, object]:
    found = explain(event, event_types=event_types, compiled=compiled)
    return {"matches": found.matches, "why": found.why}


def below(problem: Problem, pointer: str) -> Problem:
    """Move a problem of a part to its place in the whole."""
    errors = tuple(FieldError(pointer + one.pointer, one.detail) for one in problem.errors)
    if not errors:
        return Problem(problem.code, f"{pointer}: {problem.detail}")
    return Problem(problem.code, f"{errors[0].pointer}: {errors[0].detail}", errors)
