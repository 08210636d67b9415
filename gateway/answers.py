"""What requests with events are answered, and the bytes of such an answer. Pure.

There are two ways to an answer: through the application, and the short one of `gateway.express`.
Both answer with what is made here.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from gateway.ingest_rules import Accepted
from gateway.lines import NotPublished, Published
from gateway.problems import Code, FieldError, Problem, problem_document, problem_headers
from schemas.event import Event
from schemas.ids import webhook_id

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
ALWAYS: Final = {"Server": "hooklane"}

_RETRIABLE: Final = frozenset({Code.UNAVAILABLE, Code.UNKNOWN, Code.QUOTA_EXCEEDED})
_PROBLEM_DETAILS: Final = {
    Code.UNAVAILABLE: "Kafka does not take events now; nothing was written",
    Code.UNKNOWN: "Kafka did not acknowledge in time: send the event again with the same id",
}
_STATUS_LINES: Final = {one: f"HTTP/1.1 {one:d} {one.phrase}\r\n" for one in HTTPStatus}
_ENCODER: Final = msgspec.json.Encoder()

ItemOutcome: TypeAlias = tuple[Accepted | None, Published | Problem]
"""What was admitted of an item, and what became of it."""
Warnings: TypeAlias = Sequence[Mapping[str, str]]


class Answer(msgspec.Struct, frozen=True):
    """A whole answer but for what HTTP adds."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: Mapping[str, str]


class Sent(msgspec.Struct, gc=False):
    """One event that is in the log."""

    id: str
    webhook_id: str
    subscriber: str
    partition: int
    offset: int
    warnings: Warnings | UnsetType = UNSET


class SentItem(msgspec.Struct, gc=False):
    """An item of a batch that is in the log."""

    index: int
    status: int
    id: str
    webhook_id: str
    partition: int
    offset: int
    warnings: Warnings | UnsetType = UNSET


class RefusedItem(msgspec.Struct, gc=False):
    """An item of a batch that is not, or of which nobody knows."""

    index: int
    status: int
    code: str
    detail: str
    id: str | UnsetType = UNSET
    webhook_id: str | UnsetType = UNSET


def place_or_problem(answer: Published | NotPublished) -> Published | Problem:
    """Give where a record lies, or why that is not known."""
    if isinstance(answer, Published):
        return answer
    return Problem(answer.code, _PROBLEM_DETAILS[answer.code])


def single_answer(
    accepted: Accepted | None, result: Published | Problem, headers: Mapping[str, str]
) -> Answer:
    """Answer a request for one event."""
    if isinstance(result, Problem) or accepted is None:
        problem = result if isinstance(result, Problem) else Problem(Code.INTERNAL, "no event")
        ids = {} if accepted is None else _ids_of(accepted.event)
        return _problem_answer(problem, extra=ids, headers=headers)
    event = accepted.event
    sent = Sent(event.id, _webhook_id_of(event), event.subscriber, result.partition, result.offset)
    if accepted.warnings:
        sent.warnings = _shown(accepted.warnings)
    return Answer(HTTPStatus.ACCEPTED, JSON, _ENCODER.encode(sent), headers)


def batch_answer(outcomes: Sequence[ItemOutcome], headers: Mapping[str, str]) -> Answer:
    """Answer 202 when one was accepted; else 503 or 429 when trying again may help, else 422."""
    items = [_item_of(index, accepted, it) for index, (accepted, it) in enumerate(outcomes)]
    problems = [result for _, result in outcomes if isinstance(result, Problem)]
    if len(problems) < len(outcomes):
        return Answer(HTTPStatus.ACCEPTED, JSON, _ENCODER.encode({"items": items}), headers)
    retriable = next((one for one in problems if one.code in _RETRIABLE), None)
    problem = retriable or Problem(Code.VALIDATION_FAILED, "no item of the batch was accepted")
    shown = {"items": msgspec.to_builtins(items)}
    return _problem_answer(problem, extra=shown, headers=headers)


def answer_bytes(answer: Answer, *, date: str) -> bytes:
    """Write an answer as HTTP/1.1 for a connection that stays open."""
    return _written(answer, f"Date: {date}\r\n")


def closing_problem(problem: Problem) -> bytes:
    """Write a whole answer that ends its connection, for where there is no request to answer."""
    return _written(_problem_answer(problem), "Connection: close\r\n")


def _written(answer: Answer, last: str) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
    head = (
        f"{_STATUS_LINES[answer.status]}Server: {ALWAYS['Server']}\r\n{fields}"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        f"{last}\r\n"
    )
    return head.encode() + answer.body


def _problem_answer(
    problem: Problem,
    *,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    body = orjson.dumps({**problem_document(problem), **(extra or {})})
    every = {**problem_headers(problem), **(headers or {})}
    return Answer(problem.status, PROBLEM_JSON, body, every)


def _item_of(
    index: int, accepted: Accepted | None, result: Published | Problem
) -> SentItem | RefusedItem:
    if isinstance(result, Problem) or accepted is None:
        problem = result if isinstance(result, Problem) else Problem(Code.INTERNAL, "no event")
        refused = RefusedItem(index, int(problem.status), str(problem.code), problem.detail)
        if accepted is not None:
            refused.id = accepted.event.id
            refused.webhook_id = _webhook_id_of(accepted.event)
        return refused
    event = accepted.event
    sent = SentItem(index, 202, event.id, _webhook_id_of(event), result.partition, result.offset)
    if accepted.warnings:
        sent.warnings = _shown(accepted.warnings)
    return sent


def _ids_of(event: Event) -> dict[str, str]:
    return {"id": event.id, "webhook_id": _webhook_id_of(event)}


def _webhook_id_of(event: Event) -> str:
    return webhook_id(event.subscriber, event.source, event.id)


def _shown(warnings: Iterable[FieldError]) -> Warnings:
    return [{"pointer": one.pointer, "detail": one.detail} for one in warnings]
