"""Which subscriptions no vault key of this process opens: they are paused, and somebody must act.

The deliverer pauses them by itself; here they are counted as soon as they are read, so that a key
which was taken away too early shows at the start and not at the first delivery.
"""

from structlog.typing import FilteringBoundLogger

from gateway.registry_rows import Row
from schemas.registry import parse_registry_key


class Seals:
    """Follows the registry's changes."""

    def __init__(self, key_ids: frozenset[str], log: FilteringBoundLogger) -> None:
        self._key_ids = key_ids
        self._log = log
        self._closed: set[bytes] = set()

    @property
    def closed(self) -> int:
        """How many subscriptions no key opens."""
        return len(self._closed)

    def note(self, key: bytes, row: Row) -> None:
        """Follow one change of the table."""
        if row is None or row.deleted or row.kind != "subscription":
            self._closed.discard(key)
            return
        if row.sealed_with in self._key_ids:
            self._closed.discard(key)
            return
        parts = parse_registry_key(key)
        if not self._closed and parts is not None:
            # One line tells it; a whole key that is missing would bring a hundred thousand.
            self._log.error(
                "registry.vault_closed", subscription=parts.id, vault_key=row.sealed_with
            )
        self._closed.add(key)
