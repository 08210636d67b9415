"""Describe the records that broke the contract and were set aside.

A quarantine record must always fit into one append of 1,000,000 bytes, so what is above the bounds
below (a compressed record may be far larger than the topic's limit once unpacked) is left out and
its size is named: base64 makes 655,360 + 2 · 32,768 bytes into 961,192.
"""

import base64
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

VALUE_BYTES_MAX = 655_360
HEADER_BYTES_MAX = 32_768
KEY_BYTES_MAX = 32_768
DETAIL_CHARS_MAX = 500

Stage = Literal["fanout", "deliverer"]


class QuarantineReason(StrEnum):
    """The closed list of CONTRACT 3.1; also a metric label."""

    NO_KEY = "no_key"
    BAD_KEY = "bad_key"
    WRONG_PARTITION = "wrong_partition"
    BAD_EVENT = "bad_event"
    BAD_JSON = "bad_json"
    MISSING_ATTRIBUTE = "missing_attribute"
    KEY_MISMATCH = "key_mismatch"
    TOO_LARGE = "too_large"
    CONFLICT = "conflict"
    SCHEMA_VIOLATION = "schema_violation"


class QuarantineRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a `quarantine` record: where it came from, why, and its bytes in base64."""

    v: int = 1
    stage: Stage
    reason: QuarantineReason
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str | None
    headers: list[tuple[str, str | None]]
    value: str | None

    def encode(self) -> bytes:
        """Return the JSON bytes of the record."""
        return msgspec.json.encode(self)


class Coordinates(msgspec.Struct, frozen=True):
    """Name the place of a raw record; `timestamp` is epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class RawRecord(msgspec.Struct, frozen=True):
    """Hold the bytes of a record as the broker gave them."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None


def quarantine_record(
    where: Coordinates, raw: RawRecord, *, stage: Stage, reason: QuarantineReason, detail: str
) -> QuarantineRecord:
    """Build the record; what would not fit is left out and named in `detail`."""
    left_out: list[str] = []
    key, value, headers = raw.key, raw.value, list(raw.headers)
    if value is not None and len(value) > VALUE_BYTES_MAX:
        left_out.append(f"value of {len(value)} bytes left out")
        value = None
    if key is not None and len(key) > KEY_BYTES_MAX:
        left_out.append(f"key of {len(key)} bytes left out")
        key = None
    header_bytes = sum(_header_bytes(name, content) for name, content in headers)
    if header_bytes > HEADER_BYTES_MAX:
        left_out.append(f"{len(headers)} headers of {header_bytes} bytes left out")
        headers = []
    return QuarantineRecord(
        stage=stage,
        reason=reason,
        detail="; ".join([detail[:DETAIL_CHARS_MAX], *left_out]),
        topic=where.topic,
        partition=where.partition,
        offset=where.offset,
        timestamp=where.timestamp,
        key=_base64(key),
        headers=[(_readable(name), _base64(content)) for name, content in headers],
        value=_base64(value),
    )


def _header_bytes(name: str, content: bytes | None) -> int:
    """Return an upper bound: an escaped character of a name takes six bytes, brackets take ten."""
    return 6 * len(name) + len(content or b"") + 10


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode("ascii")


def _readable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
