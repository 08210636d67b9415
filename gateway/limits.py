"""How much of what there may be; whoever meets a bound says so, and it is counted. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.problems import Code, Problem, RefusedError

LimitName = Literal[
    "keys",
    "event_types",
    "subscriptions",
    "quota_buckets",
    "tombstones",
    "requests",
    "request_bytes",
]
LIMITS: Final[tuple[LimitName, ...]] = (
    "keys",
    "event_types",
    "subscriptions",
    "quota_buckets",
    "tombstones",
    "requests",
    "request_bytes",
)


def _ignore(name: LimitName) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one gateway; all have a setting."""

    keys_max: int = 10_000
    event_types_max: int = 5_000
    quota_buckets_max: int = 65_536
    on_hit: Callable[[LimitName], None] = _ignore

    def refuse(self, name: LimitName, detail: str) -> RefusedError:
        """Count that a bound was met, and give what ends the request."""
        self.on_hit(name)
        return RefusedError(Problem(Code.QUOTA_EXCEEDED, detail))
