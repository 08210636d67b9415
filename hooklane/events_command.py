"""`hooklane events send`: one event from flags or a file, or many from a file."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hooklane.api_client import Answer, ApiClient, Target, Unreached
from hooklane.api_problem import exit_code_of, refusal
from hooklane.event_source import (
    Events,
    SourceInvalid,
    batches,
    compose_event,
    joined,
    read_events,
)
from hooklane.exits import INVALID, NETWORK, OK, USAGE, CommandFailed
from hooklane.input import read_input
from hooklane.output import Form, render, report

COLUMNS: Final = ("id", "webhook_id", "subscriber", "partition", "offset")
BATCH_COLUMNS: Final = (
    "index", "status", "id", "webhook_id", "partition", "offset", "code", "detail",
)  # fmt: skip
_ACCEPTED: Final = 202
_CLOUDEVENT: Final = "application/cloudevents+json"
_CLOUDEVENTS: Final = "application/cloudevents-batch+json"
_NATIVE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What to send: fields of one event with its data, or a file."""

    fields: Mapping[str, str]
    data: str | None = None
    data_file: str | None = None
    file: str | None = None
    idempotency_key: str | None = None


def run_send(variables: Mapping[str, str], options: SendOptions, form: Form) -> int:
    """Send and show where each event lies in Kafka; the code tells the first refusal."""
    target = Target.of(variables)
    events = events_of(options)
    return asyncio.run(_send(target, events, options.idempotency_key, form))


def events_of(options: SendOptions) -> Events:
    """Read the events; CommandFailed when flags contradict or the input is no event."""
    has_data = options.data is not None or options.data_file is not None
    if options.file is not None and (options.fields or has_data):
        raise CommandFailed(USAGE, "--file holds whole events: leave the other flags out")
    if options.data is not None and options.data_file is not None:
        raise CommandFailed(USAGE, "--data and --data-file: only one of them")
    try:
        if options.file is not None:
            return read_events(read_input(options.file))
        missing = [f"--{name}" for name in ("subscriber", "type") if name not in options.fields]
        if missing:
            raise CommandFailed(USAGE, f"{' and '.join(missing)} needed, or --file")
        data = None if options.data is None else options.data.encode()
        if options.data_file is not None:
            data = read_input(options.data_file)
        return compose_event(options.fields, data)
    except SourceInvalid as error:
        raise CommandFailed(INVALID, f"{options.file or 'the event'}: {error}") from error


async def _send(target: Target, events: Events, key: str | None, form: Form) -> int:
    async with ApiClient(target) as api:
        if events.is_single:
            return await _send_one(api, events, key, form)
        return await _send_batches(api, events, key, form)


async def _send_one(api: ApiClient, events: Events, key: str | None, form: Form) -> int:
    content_type = _CLOUDEVENT if events.is_cloudevents else _NATIVE
    answer = await _post(api, "/v1/events", events.items[0], _headers(content_type, key))
    if answer.is_refused:
        raise refusal("the event", answer.status, answer.document)
    print(render([answer.members], COLUMNS, form))
    return OK


async def _send_batches(api: ApiClient, events: Events, key: str | None, form: Form) -> int:
    """Send batch after batch; what was accepted before a failure is shown all the same."""
    content_type = _CLOUDEVENTS if events.is_cloudevents else _NATIVE
    rows: list[Mapping[str, object]] = []
    try:
        for number, batch in enumerate(batches(events.items)):
            headers = _headers(
                content_type, key if key is None or not number else f"{key}.{number}"
            )
            answer = await _post(api, "/v1/events/batch", joined(batch), headers)
            items = answer.document.get("items") if isinstance(answer.document, dict) else None
            if not isinstance(items, list):
                raise refusal("the batch", answer.status, answer.document)
            first = len(rows)
            rows += [_row(item, first) for item in items if isinstance(item, dict)]
            if len(batch) < len(events.items):
                report(f"{len(rows)} of {len(events.items)} sent")
    finally:
        if rows:
            print(render(rows, BATCH_COLUMNS, form))
    return _code_of(rows)


def _row(item: Mapping[str, object], first: int) -> Mapping[str, object]:
    index = item.get("index")
    return {**item, "index": first + index if isinstance(index, int) else index}


def _code_of(rows: Sequence[Mapping[str, object]]) -> int:
    refused = [row.get("status") for row in rows if row.get("status") != _ACCEPTED]
    if not refused:
        return OK
    report(f"{len(refused)} of {len(rows)} events were refused")
    status = refused[0]
    return exit_code_of(status) if isinstance(status, int) else INVALID


def _headers(content_type: str, key: str | None) -> dict[str, str]:
    return {"content-type": content_type, **({} if key is None else {"idempotency-key": key})}


async def _post(api: ApiClient, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Post; a broken connection leaves open whether the events were taken, so say how to repeat."""
    try:
        return await api.exchange("POST", path, body, headers=headers)
    except CommandFailed as error:
        if error.code != NETWORK or isinstance(error, Unreached):
            raise
        hint = "it may have been accepted; with ids or --idempotency-key sending again is safe"
        raise CommandFailed(NETWORK, f"{error}\n  hint: {hint}") from error
