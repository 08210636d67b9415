"""Keep what is derived from the registry in step with it.

The index and the facts are kept by name, whatever partition a record lies on. So one that lies
where its subscriber does not live, as somebody's own tool may write it, is not followed: it could
hide, or let reappear, what the right partition holds.
"""

from structlog.typing import FilteringBoundLogger

from gateway.ingest_rules import IngestFacts
from gateway.registry_rows import RegistryIndex, Row
from gateway.seals import Seals
from schemas.registry import parse_registry_key
from schemas.topics import partition_of


class Followers:
    """Hears each change of the table."""

    def __init__(
        self,
        index: RegistryIndex,
        facts: IngestFacts,
        seals: Seals,
        *,
        partitions: int,
        log: FilteringBoundLogger,
    ) -> None:
        self._index = index
        self._facts = facts
        self._seals = seals
        self._partitions = partitions
        self._log = log

    def follow(self, partition: int, key: bytes, row: Row) -> None:
        """Take one change over, or say why not."""
        home = self._home_of(key)
        if home is not None and home != partition:
            self._log.error(
                "gateway.record_astray",
                partition=partition,
                belongs_to=home,
                hint="a producer chose the partition: write a tombstone of the same key there",
            )
            return
        self._index.note(key, row)
        self._seals.note(key, row)
        for error in self._facts.note(key, row):
            self._log.error(
                "gateway.schema_broken",
                partition=partition,
                pointer=error.pointer,
                detail=error.detail,
            )

    def _home_of(self, key: bytes) -> int | None:
        """Return the partition of a key; None when nobody derives anything from it."""
        parts = parse_registry_key(key)
        return None if parts is None else partition_of(parts.subscriber.encode(), self._partitions)
