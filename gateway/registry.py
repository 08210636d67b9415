"""The registry as the handlers see it: subscriptions, and shelves of records that seal nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec
import orjson

from gateway.subscriptions import Change, RawRecord
from schemas.api_keys import ApiKeyRecord
from schemas.event_types import EventTypeRecord
from schemas.registry import SealedFields, SubscriptionRecord
from schemas.subscribers import SubscriberRecord

AnyRecord = SubscriptionRecord | SubscriberRecord | EventTypeRecord | ApiKeyRecord
R_co = TypeVar("R_co", bound=AnyRecord, covariant=True)
R = TypeVar("R", bound=AnyRecord)


@dataclass(frozen=True, slots=True)
class Stored(Generic[R_co]):
    """A record as it stands; `appended_at` is when it was appended (epoch ms)."""

    record: R_co
    value: bytes
    appended_at: int | None = None

    def raw(self) -> RawRecord:
        """Give the record as the JSON object it is, fields of later versions included.

        Whoever wrote it past this API may have put into such fields what no JSON text may have (bad
        UTF-8, 1e999); then only what we know of is given, so that a write can mend it.
        """
        raw: RawRecord
        try:
            raw = orjson.loads(self.value)
        except orjson.JSONDecodeError:
            raw = orjson.loads(msgspec.json.encode(self.record))
        return raw


class Shelf(Protocol[R_co]):
    """All records of one kind, by name; the fake in tests passes the same contract suite."""

    def find(self, name: str) -> Stored[R_co] | None:
        """Find a record that is not deleted."""
        ...

    def version_of(self, name: str) -> int:
        """Give the last version of a name, deleted ones too; 0 when there is none."""
        ...

    def places(self) -> Sequence[str]:
        """List the places of the records that are not deleted, ascending (`gateway.paging`)."""
        ...

    async def write(self, name: str, decide: Callable[[], RawRecord]) -> R_co:
        """Write what `decide` returns; it sees the newest state and may refuse by raising.

        Raises RefusedError `unavailable` when there was no time, `unknown` without an answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Removal:
    """What ends with a subscriber: its own record if it has one, and subscriptions."""

    subscriber: RawRecord | None
    subscriptions: Sequence[Change]


class Registry(Protocol):
    """Subscriptions and their subscribers; the fake passes the same contract suite."""

    def find(self, subscriber: str, subscription_id: str) -> Stored[SubscriptionRecord] | None:
        """Find a subscription that is not deleted."""
        ...

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List the ids of a subscriber's subscriptions, ascending: the oldest first."""
        ...

    def subscribers(self) -> Sequence[str]:
        """List the places of those that have a record or a subscription, ascending."""
        ...

    def unseal(self, record: SubscriptionRecord) -> SealedFields | None:
        """Open what is sealed in a record; None when no key of ours opens it."""
        ...

    async def write(self, subscriber: str, decide: Callable[[], Change]) -> SubscriptionRecord:
        """Write what `decide` returns; it sees the newest state and may refuse by raising.

        Raises RefusedError `unavailable` when there was no time, `unknown` without an answer.
        """
        ...

    async def remove(self, subscriber: str, decide: Callable[[], Removal]) -> None:
        """Write all of a removal at once, or nothing of it; refuses like `write`."""
        ...
