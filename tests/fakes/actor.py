"""A partition actor that remembers what happened to it."""

from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRecord


class RecordingActor:
    """Does as told: `on_take_over` may wait or raise; `journal` is shared by all actors of a test.

    Entries: ("take_over" | "ready" | "drain" | "resume" | "close:<reason>" | "feed", partition).
    """

    def __init__(
        self,
        partition: int,
        *,
        journal: list[tuple[str, int]] | None = None,
        start_at: int = 0,
        is_full: bool = False,
        on_take_over: Callable[[], Awaitable[None]] | None = None,
        needs_takeover: bool = False,
    ) -> None:
        self.partition = partition
        self.journal = journal if journal is not None else []
        self.offsets: list[int] = []
        self.position = start_at
        self.is_full = is_full
        self.is_dead = False
        self.needs_takeover = needs_takeover
        self._on_take_over = on_take_over

    async def take_over(self) -> int:
        """Return the offset it was told to start at."""
        self._note("take_over")
        if self._on_take_over is not None:
            await self._on_take_over()
        self._note("ready")
        return self.position

    def feed(self, records: list[ConsumerRecord], end: int) -> None:
        """Keep the offsets."""
        self._note("feed")
        self.offsets += [record.offset for record in records]
        self.position = end

    def has_room(self) -> bool:
        """Unless told that it is full."""
        return not self.is_full

    async def drain(self, deadline_s: float) -> None:
        """Note it; nothing runs here."""
        self._note("drain")

    def resume(self) -> None:
        """Note it."""
        self._note("resume")

    async def close(self, reason: str) -> None:
        """Note it."""
        self._note(f"close:{reason}")

    def _note(self, what: str) -> None:
        self.journal.append((what, self.partition))
