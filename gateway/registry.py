"""The subscriptions of the registry, as the handlers see them: a port of four methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from gateway.subscriptions import Change, RawRecord
from schemas.registry import SealedFields, SubscriptionRecord


@dataclass(frozen=True, slots=True)
class Stored:
    """A subscription as it stands; `appended_at` is when its record was appended (epoch ms)."""

    record: SubscriptionRecord
    value: bytes
    appended_at: int | None = None

    def raw(self) -> RawRecord:
        """Give the record as the JSON object it is, fields of later versions included."""
        raw: RawRecord = orjson.loads(self.value)
        return raw


class Registry(Protocol):
    """What the handlers need; the fake in tests passes the same contract suite."""

    def find(self, subscriber: str, subscription_id: str) -> Stored | None:
        """Find a subscription that is not deleted."""
        ...

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List the ids of a subscriber's subscriptions, ascending: the oldest first."""
        ...

    def unseal(self, record: SubscriptionRecord) -> SealedFields | None:
        """Open what is sealed in a record; None when no key of ours opens it."""
        ...

    async def write(self, subscriber: str, decide: Callable[[], Change]) -> SubscriptionRecord:
        """Write what `decide` returns; it sees the newest state and may refuse by raising.

        Raises RefusedError `unavailable` when the write could not be done in time.
        """
        ...
