"""What `hooklane listen` asks of the gateway, and what it shows of a delivery. Pure.

It makes a subscription for as long as it runs. One that could not be deleted, since the process
was killed, is recognised by its mark: a process that is no more, where its number has a meaning.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hooklane.receiver import Arrival, Reply
from hooklane.signature import Rejected, Verified

MARK: Final = "hooklane-listen"
DESCRIPTION: Final = "hooklane listen: deleted when the command ends"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events to listen to."""

    subscriber: str
    event_types: Sequence[str] = ()
    filter: Mapping[str, object] | None = None


def mark_of(space: str, pid: int) -> str:
    """Name the process that a subscription belongs to; `space` is a `process_space`."""
    return f"{space}/{pid}"


def subscription_body(wish: Wish, url: str, secret: str, mark: str) -> dict[str, object]:
    """Say what to create."""
    body: dict[str, object] = {
        "url": url,
        "secret": secret,
        "description": DESCRIPTION,
        "metadata": {MARK: mark},
    }
    if wish.event_types:
        body["event_types"] = list(wish.event_types)
    if wish.filter is not None:
        body["filter"] = dict(wish.filter)
    return body


def leftovers(
    items: Iterable[Mapping[str, object]], space: str, *, is_running: Callable[[int], bool]
) -> list[str]:
    """Name the subscriptions that a killed process of this space left behind."""
    found = []
    for item in items:
        metadata = item.get("metadata")
        mark = metadata.get(MARK) if isinstance(metadata, Mapping) else None
        name, _, pid = str(mark or "").rpartition("/")
        if name == space and pid.isascii() and pid.isdigit() and not is_running(int(pid)):
            found.append(str(item.get("id")))
    return found


def document_of(arrival: Arrival, reply: Reply) -> str:
    """Write a delivery as one line of JSON; a body that is no text is in base64."""
    headers = arrival.headers
    row: dict[str, object] = {
        "webhook_id": headers.get("webhook-id"),
        "type": headers.get("ce-type"),
        "attempt": _number(headers.get("webhook-attempt")),
        "sequence": _number(headers.get("webhook-sequence")),
        "verified": isinstance(arrival.verdict, Verified),
        "answered": reply.status,
        "headers": dict(headers),
    }
    if isinstance(arrival.verdict, Rejected):
        row["reason"] = arrival.verdict.reason
    try:
        row["body"] = arrival.body.decode()
    except UnicodeDecodeError:
        row["body_base64"] = base64.b64encode(arrival.body).decode()
    return json.dumps(row, ensure_ascii=False)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
