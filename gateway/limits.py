"""How much of what there may be; whoever meets a bound says so, and it is counted. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.problems import Code, Problem, RefusedError
from gateway.quotas import Quota

LimitName = Literal[
    "keys",
    "event_types",
    "subscriptions",
    "quota_buckets",
    "tombstones",
    "requests",
    "request_bytes",
    "connections",
    "config_writes",
]
LIMITS: Final[tuple[LimitName, ...]] = (
    "keys",
    "event_types",
    "subscriptions",
    "quota_buckets",
    "tombstones",
    "requests",
    "request_bytes",
    "connections",
    "config_writes",
)


_KEY_WRITES: Final = Quota(100.0, 5_000)
_SUBSCRIBER_WRITES: Final = Quota(20.0, 2_500)

ENVELOPE_BYTES_MAX: Final = 64 * 1024


def _ignore(name: LimitName) -> None:
    """Count nothing."""


def exhausted(detail: str, wait_s: float) -> Problem:
    """Say that a quota is used up, and after how many whole seconds it is not."""
    return Problem(Code.QUOTA_EXCEEDED, detail, retry_after_s=max(1, math.ceil(wait_s)))


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one gateway; all have a setting."""

    keys_max: int = 10_000
    event_types_max: int = 5_000
    quota_buckets_max: int = 65_536
    key_writes: Quota = _KEY_WRITES
    subscriber_writes: Quota = _SUBSCRIBER_WRITES
    on_hit: Callable[[LimitName], None] = _ignore

    def refuse(self, name: LimitName, detail: str) -> RefusedError:
        """Count that a bound was met, and give what ends the request; waiting does not help."""
        self.on_hit(name)
        return RefusedError(Problem(Code.QUOTA_EXCEEDED, detail, retry_after_s=None))


@dataclass(frozen=True, slots=True)
class EventLimits:
    """The bounds of ingest; see `gateway.settings.HttpSettings`."""

    event_bytes_max: int
    body_bytes_max: int
    body_timeout_s: float

    @property
    def document_bytes_max(self) -> int:
        """Bytes of one event as a document: its data may be in base64, plus the envelope."""
        return self.event_bytes_max * 4 // 3 + ENVELOPE_BYTES_MAX
