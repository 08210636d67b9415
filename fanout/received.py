"""A record of `events` as the broker gave it."""

from collections.abc import Sequence
from typing import Protocol

Headers = Sequence[tuple[str, bytes]]


class Received(Protocol):
    """What fan-out reads of a record; `timestamp` is its append time (epoch ms)."""

    @property
    def topic(self) -> str: ...  # noqa: D102  # the names of Kafka say it
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Headers: ...  # noqa: D102


def size_of(record: Received) -> int:
    """Count the bytes of a record's key, value and headers."""
    size_bytes = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size_bytes += len(name) + len(value or b"")
    return size_bytes
