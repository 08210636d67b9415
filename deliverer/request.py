"""Build the request of one attempt: head, body and signature. Pure.

What is the same for every request of a subscription (parsed URL, custom headers, decoded secrets)
is made once, as a `Recipient`. No line break can get into the head: every part is either made here
or has passed a grammar that holds none.
"""

import functools
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

import msgspec

from chassis.egress import AdmittedUrl, UrlRefused, parse_url
from chassis.outbound_headers import check_custom_header
from deliverer.sender.port import BlockedReason, PreparedRequest
from deliverer.signing import SecretInvalid, Signer, parse_secret
from schemas.cloudevents import HOPS_HEADER, hops_of
from schemas.http_binding import http_head, structured_document
from schemas.registry import SealedFields

__all__ = ["PreparedRequest", "Recipient", "RequestRefused", "build_request", "recipient_of"]

SIGNATURES_MAX: Final = 6
_WEBHOOK_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEAD: Final = (
    b"%bcontent-length: %d\r\n%b"
    b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: %b\r\n"
    b"webhook-attempt: %d\r\nwebhook-sequence: %d\r\n%b%b\r\n"
)
_REPLAY_LINE: Final = b"webhook-replay: true\r\n"
_FIRST_HOP_LINE: Final = b"webhook-hops: 1\r\n"
STRUCTURED_TYPE: Final = "application/cloudevents+json"
_STRUCTURED_LINE: Final = f"content-type: {STRUCTURED_TYPE}\r\n".encode("ascii")

Headers = Sequence[tuple[str, bytes]]


class RequestRefused(msgspec.Struct, frozen=True):
    """Why nothing can be sent to a recipient: its stored fields break today's rules.

    `reason` is a label of `hooklane_delivery_blocked_total` when the URL is at fault, else None.
    """

    reason: BlockedReason | None
    detail: str


class ExpiringSigner(msgspec.Struct, frozen=True):
    """A secret that was replaced and still signs until `expires_at` (epoch ms)."""

    signer: Signer
    expires_at: int


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """What all requests of one subscription share. Holds secrets: never log it."""

    scheme: str
    host: str
    port: int
    target: bytes
    head: bytes
    signer: Signer
    previous: tuple[ExpiringSigner, ...]
    format: Literal["binary", "structured"]
    timeout_s: float

    def __repr__(self) -> str:
        return "Recipient(…)"


def recipient_of(
    sealed: SealedFields,
    *,
    format: Literal["binary", "structured"],  # noqa: A002 - the field's name in the contract
    timeout_s: float,
) -> Recipient | RequestRefused:
    """Prepare what all requests of a subscription share."""
    url = parse_url(sealed.url)
    if isinstance(url, UrlRefused):
        reason = "address" if url.reason == "form" else url.reason
        return RequestRefused(reason, f"the stored URL is refused: {url.detail}")
    for name, value in sealed.headers.items():
        if check_custom_header(name, value):
            return RequestRefused(None, "a stored header is not allowed")
    try:
        signer = parse_secret(sealed.secret)
        previous = tuple(
            ExpiringSigner(parse_secret(old.secret), old.expires_at) for old in sealed.previous
        )
    except SecretInvalid as error:
        return RequestRefused(None, f"a stored secret cannot sign: {error}")
    return Recipient(
        scheme=url.scheme,
        host=url.host,
        port=url.port,
        target=url.target.encode("ascii"),
        head=_static_head(url, sealed.headers),
        signer=signer,
        previous=previous[: SIGNATURES_MAX - 1],
        format=format,
        timeout_s=timeout_s,
    )


def build_request(
    recipient: Recipient,
    *,
    webhook_id: str,
    sequence: int,
    attempt: int,
    now_ms: int,
    record_headers: Headers,
    data: bytes | None,
    is_replay: bool,
    trace: Sequence[tuple[str, str]] = (),
) -> PreparedRequest | RequestRefused:
    """Build and sign the request of one attempt; null data is an empty body.

    `trace` are the W3C headers that this receiver may see, well formed.
    """
    if not _WEBHOOK_ID.fullmatch(webhook_id):
        return RequestRefused(None, "the webhook id of the record is malformed")
    if recipient.format == "structured":
        body = structured_document(record_headers, data)
        event_lines = _STRUCTURED_LINE
        hops = next((raw for name, raw in record_headers if name == HOPS_HEADER), None)
    else:
        body = data or b""
        # Values come percent-encoded or as one visible line: nothing to check again per request.
        event_lines, hops = http_head(record_headers)
    if trace:
        event_lines += "".join([f"{n}: {v}\r\n" for n, v in trace]).encode("ascii")
    head = _HEAD % (
        recipient.head,
        len(body),
        event_lines,
        webhook_id.encode("ascii"),
        now_ms // 1000,
        _signatures(recipient, webhook_id, now_ms, body).encode("ascii"),
        attempt,
        sequence,
        _FIRST_HOP_LINE if hops is None else _hops_line(hops),
        _REPLAY_LINE if is_replay else b"",
    )
    return PreparedRequest(
        scheme=recipient.scheme,
        host=recipient.host,
        port=recipient.port,
        target=recipient.target,
        head=head,
        body=body,
        timeout_s=recipient.timeout_s,
    )


def _hops_line(hops: bytes) -> bytes:
    """Count this delivery, so that an ingest sees an event that goes round."""
    return b"webhook-hops: %d\r\n" % (hops_of(hops.decode("ascii", "replace")) + 1)


@functools.cache
def user_agent() -> str:
    """Name this software and its version as a User-Agent does."""
    try:
        return f"hooklane/{version('hooklane')}"
    except PackageNotFoundError:
        return "hooklane/0"


def _static_head(url: AdmittedUrl, headers: dict[str, str]) -> bytes:
    lines = [f"POST {url.target} HTTP/1.1", f"host: {url.authority}"]
    if not any(name.lower() == "user-agent" for name in headers):
        lines.append(f"user-agent: {user_agent()}")
    lines.append("accept-encoding: identity")
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _signatures(recipient: Recipient, webhook_id: str, now_ms: int, body: bytes) -> str:
    """Sign with the current secret first, then with those whose grace has not ended."""
    timestamp = now_ms // 1000
    first = recipient.signer.sign(webhook_id, timestamp, body)
    if not recipient.previous:
        return first
    others = [
        old.signer.sign(webhook_id, timestamp, body)
        for old in recipient.previous
        if old.expires_at > now_ms
    ]
    return " ".join([first, *others])
