"""Does a record of `events` keep the contract of producers (CONTRACT §3.1)? Pure.

The fan-out says only the first thing that is wrong, since it has to be fast. Here a person wants
all of it at once, and what to change in their client.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schemas.cloudevents import Headers, decode_event, is_structured
from schemas.event import DATA_BYTES_MAX, Violation, check_subscriber
from schemas.quarantine import QuarantineReason
from schemas.topics import partition_of

Result = Literal["ok", "broken", "skipped"]

CHECKS: Final = ("key", "partition", "headers", "attributes", "size")
REQUIRED: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type")
MURMUR2_REMEDY: Final = (
    "librdkafka clients (confluent-kafka, rdkafka, …): partitioner=murmur2_random;"
    " others: the Java default (murmur2), and never choose the partition yourself"
)
_FNV_OFFSET: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
_PLACEHOLDER: Final = b"subscriber"


@dataclass(frozen=True, slots=True)
class Sample:
    """A record as it lies in the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says; `remedy` tells what to change."""

    check: str
    result: Result
    detail: str = ""
    remedy: str = ""


def examine(sample: Sample, partitions: int) -> list[Finding]:
    """Run every check over one record; one finding each, in the order of CHECKS."""
    verdict = decode_event(sample.key, sample.value, sample.headers)
    if _is_key_bad(sample.key):
        verdict = decode_event(_PLACEHOLDER, sample.value, sample.headers)
        if isinstance(verdict, Violation) and verdict.reason is QuarantineReason.KEY_MISMATCH:
            verdict = Violation(verdict.reason, "")
    headers = _check_headers(sample.headers)
    return [
        _check_key(sample.key),
        _check_partition(sample, partitions),
        headers,
        _check_attributes(verdict, is_complete=headers.result == "ok"),
        _check_size(sample, verdict),
    ]


def is_kept(findings: Sequence[Finding]) -> bool:
    """Whether nothing is broken."""
    return all(one.result != "broken" for one in findings)


def _is_key_bad(key: bytes | None) -> bool:
    return _check_key(key).result == "broken"


def _check_key(key: bytes | None) -> Finding:
    remedy = "set the record's key to the subscriber, as UTF-8"
    if key is None:
        return Finding("key", "broken", "the record has no key", remedy)
    try:
        problem = check_subscriber(key.decode())
    except UnicodeDecodeError:
        return Finding("key", "broken", "the key is not UTF-8", remedy)
    if problem is not None:
        hint = "a serializer wrote more than the plain text" if _looks_framed(key) else remedy
        return Finding("key", "broken", problem, hint)
    return Finding("key", "ok")


def _looks_framed(key: bytes) -> bool:
    """Ask whether a JSON or schema-registry serializer made the key: quotes, magic byte 0."""
    return key.startswith((b'"', b"\x00"))


def _check_partition(sample: Sample, partitions: int) -> Finding:
    if sample.key is None:
        return Finding("partition", "skipped", "there is no key to derive it from")
    wanted = partition_of(sample.key, partitions)
    if sample.partition == wanted:
        return Finding("partition", "ok")
    detail = f"the key belongs to partition {wanted} (murmur2), not {sample.partition}"
    if sample.partition == zlib.crc32(sample.key) % partitions:
        detail += "; it lies where librdkafka's default partitioner (crc32) puts it"
    elif sample.partition == _fnv_partition(sample.key, partitions):
        detail += "; it lies where Sarama's default partitioner (FNV-1a) puts it"
    return Finding("partition", "broken", detail, MURMUR2_REMEDY)


def _fnv_partition(key: bytes, partitions: int) -> int:
    hashed = _FNV_OFFSET
    for byte in key:
        hashed = (hashed ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    signed = hashed - (1 << 32) if hashed >= 1 << 31 else hashed
    return abs(signed) % partitions


def _check_headers(headers: Headers) -> Finding:
    names = [name.lower() for name, value in headers if value is not None]
    if is_structured(_content_type(headers)):
        return Finding("headers", "ok", "structured mode: the value is the event")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        return Finding("headers", "broken", f"missing: {' '.join(missing)}", _spelling(names))
    repeated = sorted({name for name in names if name in REQUIRED and names.count(name) > 1})
    if repeated:
        return Finding("headers", "ok", f"repeated, the first counts: {' '.join(repeated)}")
    return Finding("headers", "ok")


def _content_type(headers: Headers) -> str | None:
    for name, value in headers:
        if name.lower() == "content-type" and value is not None:
            return value.decode("utf-8", "replace")
    return None


def _spelling(names: Sequence[str]) -> str:
    """Name the near miss, if it is one."""
    if any(name.startswith("ce-") for name in names):
        return "Kafka headers are spelled ce_id, ce_type, …; ce-id is the HTTP spelling"
    if any(name.startswith("cloudevents") for name in names):
        return "Kafka headers are spelled ce_id, ce_type, …; cloudEvents:id is the AMQP spelling"
    if "ce_specversion" not in names and "ce_id" in names:
        return "add ce_specversion: 1.0"
    return "add them, or send `content-type: application/cloudevents+json` and a whole CloudEvent"


def _check_attributes(verdict: object, *, is_complete: bool) -> Finding:
    if not isinstance(verdict, Violation) or verdict.reason is QuarantineReason.TOO_LARGE:
        return Finding("attributes", "ok")
    if not is_complete:
        return Finding("attributes", "skipped", "without the required headers there is no event")
    if not verdict.detail:
        return Finding("attributes", "ok")
    remedy = ""
    if verdict.reason is QuarantineReason.KEY_MISMATCH:
        remedy = "leave the extension subscriber out: the key names the subscriber"
    return Finding("attributes", "broken", f"{verdict.reason}: {verdict.detail}", remedy)


def _check_size(sample: Sample, verdict: object) -> Finding:
    remedy = "send a reference instead of the content (CloudEvents extension dataref)"
    if isinstance(verdict, Violation) and verdict.reason is QuarantineReason.TOO_LARGE:
        return Finding("size", "broken", verdict.detail, remedy)
    size = len(sample.value or b"")
    if not is_structured(_content_type(sample.headers)) and size > DATA_BYTES_MAX:
        detail = f"the value has {size} bytes, at most {DATA_BYTES_MAX} are taken"
        return Finding("size", "broken", detail, remedy)
    return Finding("size", "ok", "" if sample.value is not None else "null: an event without data")
