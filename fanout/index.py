"""Find the subscriptions of one subscriber that want an event type.

An index is immutable and belongs to one subscriber, so an event costs what its own subscriber's
subscriptions cost: dictionary look-ups for the exact type and for each dotted prefix of it.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from schemas.filters import CompiledFilter, FilterError, compile_filter
from schemas.filters.syntax import Either
from schemas.registry import SubscriptionRecord

EVERYTHING = "*"
PREFIX_MARK = ".*"
NOTHING = CompiledFilter(Either(()))
"""The filter of a subscription whose own one cannot be compiled."""
AUDIENCES_MAX = 64
"""Event types of a subscriber whose takers are remembered."""
SHARED_MAX = 4_096
"""Lists of event types that subscriptions share; one more is merely kept twice."""


class Interest(msgspec.Struct, frozen=True, gc=False):
    """What fan-out keeps of a subscription's record: a tenth of it.

    `enabled_at` None: this record enabled it. `faults`: why its filter does not compile.
    """

    id: str
    lane_epoch: int
    is_enabled: bool
    enabled_at: int | None
    event_types: tuple[str, ...]
    wanted: CompiledFilter | None = None
    faults: tuple[FilterError, ...] = ()
    is_deleted: bool = False


class Row(msgspec.Struct, frozen=True, gc=False):
    """A subscription as fan-out sees it; `enabled_at` is epoch ms (PROTOCOL R3).

    `wanted` decides by the content of an event; None is everything.
    """

    id: str
    lane_epoch: int
    is_enabled: bool
    enabled_at: int
    event_types: tuple[str, ...]
    wanted: CompiledFilter | None = None


class Audience(NamedTuple):
    """The subscriptions of one subscriber that want one event type.

    `enabled_at_max` is when the last of them was enabled; `has_filters`: the content decides, too.
    """

    rows: tuple[Row, ...]
    enabled_at_max: int
    has_filters: bool


class SubscriberIndex:
    """The subscriptions of one subscriber."""

    __slots__ = ("_audiences", "_everything", "_exact", "_prefixes", "_rows")

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row.id: row for row in rows}
        exact: dict[str, list[Row]] = {}
        prefixes: dict[str, list[Row]] = {}
        everything: list[Row] = []
        for row in self._rows.values():
            if not row.is_enabled:
                continue
            if EVERYTHING in row.event_types:
                everything.append(row)
                continue
            for pattern in row.event_types:
                if pattern.endswith(PREFIX_MARK):
                    prefixes.setdefault(pattern.removesuffix(EVERYTHING), []).append(row)
                else:
                    exact.setdefault(pattern, []).append(row)
        self._exact = {name: tuple(found) for name, found in exact.items()}
        self._prefixes = {name: tuple(found) for name, found in prefixes.items()}
        self._everything = tuple(everything)
        self._audiences: dict[str, Audience] = {}

    def audience(self, event_type: str) -> Audience:
        """Return who wants the type; remembered, as a subscriber sends few types."""
        audience = self._audiences.get(event_type)
        if audience is None:
            rows = self.match(event_type)
            audience = Audience(
                rows,
                max((row.enabled_at for row in rows), default=0),
                any(row.wanted is not None for row in rows),
            )
            if len(self._audiences) >= AUDIENCES_MAX:
                self._audiences.clear()
            self._audiences[event_type] = audience
        return audience

    def match(self, event_type: str) -> tuple[Row, ...]:
        """Return the enabled subscriptions that want the type, each once.

        `order.*` is anything below `order.`: neither `order` nor `order.` itself.
        """
        groups = [self._everything, self._exact.get(event_type, ())]
        if self._prefixes:
            at = event_type.find(".")
            while 0 <= at < len(event_type) - 1:
                groups.append(self._prefixes.get(event_type[: at + 1], ()))
                at = event_type.find(".", at + 1)
        filled = [group for group in groups if group]
        if len(filled) <= 1:
            return filled[0] if filled else ()
        return tuple({row.id: row for group in filled for row in group}.values())

    def get(self, subscription: str) -> Row | None:
        """Return one subscription by its id, enabled or not."""
        return self._rows.get(subscription)


EMPTY = SubscriberIndex(())


def interest_of(record: SubscriptionRecord) -> Interest:
    """Reduce a record to what fan-out needs; its filter is compiled here, once per version."""
    wanted: CompiledFilter | None = None
    faults: tuple[FilterError, ...] = ()
    if record.filter is not None and not record.deleted:
        compiled = compile_filter(record.filter)
        if isinstance(compiled, CompiledFilter):
            wanted = compiled
        else:
            wanted, faults = NOTHING, tuple(compiled)
    return Interest(
        id=record.id,
        lane_epoch=record.lane_epoch,
        is_enabled=record.status != "disabled",
        enabled_at=record.enabled_at,
        event_types=_shared(tuple(record.event_types)),
        wanted=wanted,
        faults=faults,
        is_deleted=record.deleted,
    )


def row_of(interest: Interest, *, appended_at: int) -> Row | None:
    """Return what an index holds; None when the subscription is deleted.

    A record whose `enabled_at` is null enabled the subscription itself, when it was appended.
    """
    if interest.is_deleted:
        return None
    return Row(
        id=interest.id,
        lane_epoch=interest.lane_epoch,
        is_enabled=interest.is_enabled,
        enabled_at=appended_at if interest.enabled_at is None else interest.enabled_at,
        event_types=interest.event_types,
        wanted=interest.wanted,
    )


@lru_cache(maxsize=SHARED_MAX)
def _shared(event_types: tuple[str, ...]) -> tuple[str, ...]:
    """Keep equal lists once: most subscriptions want one of a few."""
    return event_types
