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
        if self._is_astray(partition, key):
            self._log.error("gateway.record_astray", partition=partition)
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

    def _is_astray(self, partition: int, key: bytes) -> bool:
        parts = parse_registry_key(key)
        if parts is None:
            return False  # nobody derives anything from it
        return partition_of(parts.subscriber.encode(), self._partitions) != partition
