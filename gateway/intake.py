"""How much work the gateway lets in at once. Pure.

A request holds one place and as many bytes as its body may have from its first byte to its answer.
When either runs out the next request is refused at once: a queue would only turn an overload into
timeouts. The worst case of memory is the byte limit and no more, whatever the clients do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

Bound = Literal["requests", "request_bytes"]


def _ignore(bound: Bound) -> None:
    """Count nothing."""


@dataclass(slots=True)
class Intake:
    """The places and bytes that are taken now; `enter` and `leave` come in pairs.

    `on_full` hears of each request for which there was none.
    """

    requests_max: int
    bytes_max: int
    requests: int = 0
    bytes_held: int = 0
    on_full: Callable[[Bound], None] = _ignore

    def enter(self, body_bytes: int) -> bool:
        """Take a place and room for a body, or refuse when there is none."""
        if self.requests >= self.requests_max:
            self.on_full("requests")
            return False
        if self.bytes_held and self.bytes_held + body_bytes > self.bytes_max:
            self.on_full("request_bytes")
            return False
        self.requests += 1
        self.bytes_held += body_bytes
        return True

    def has_room(self, body_bytes: int) -> bool:
        """Tell whether `enter` would let a request in; counts nothing."""
        return self.requests < self.requests_max and (
            not self.bytes_held or self.bytes_held + body_bytes <= self.bytes_max
        )

    def leave(self, body_bytes: int) -> None:
        """Give back what `enter` took."""
        self.requests -= 1
        self.bytes_held -= body_bytes


class Place:
    """What one request holds; given back when its `with` block ends. Enter it once."""

    __slots__ = ("_body_bytes", "_intake")

    def __init__(self, intake: Intake, body_bytes: int) -> None:
        self._intake = intake
        self._body_bytes = body_bytes

    def __enter__(self) -> None:
        """Hold what `Intake.enter` took."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._intake.leave(self._body_bytes)
