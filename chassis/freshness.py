"""How old what a reader knows may be, judged by the answers to its fetches. Pure."""

YOUNG_MS = 500
"""What is known to be younger need not be looked at again."""
LOOK_AGAIN_MS = 5


class Freshness:
    """Remember two answers: what the last one says was asked after the one before had come.

    When the last one came says nothing: a process that was frozen finds it in its socket when it
    thaws, and would take what it says for new. Times are epoch milliseconds; `since` is when the
    reader began, before it asked for anything. `known_until` is a time up to which surely all is
    known, None before the first answer.
    """

    __slots__ = ("_last", "_looked_at", "known_until")

    def __init__(self, since: int) -> None:
        self.known_until: int | None = None
        self._last = since
        self._looked_at: int | None = None

    def wants_look(self, now: int) -> bool:
        """Ask whether to look for a newer answer: what is known is not young, nor just looked for.

        Whoever asks before each request must not pay for a look each time. What a look would have
        found counts a little later: on the safe side.
        """
        known_until, looked_at = self.known_until, self._looked_at
        if known_until is not None and 0 <= now - known_until <= YOUNG_MS:
            return False
        if looked_at is not None and 0 <= now - looked_at < LOOK_AGAIN_MS:
            return False
        self._looked_at = now
        return True

    def note(self, answered_at: int | None) -> None:
        """Note when the latest answer came, all of which was taken in; None or the same is none.

        To be told often: answers that come between two calls are one, and what is known counts as
        older than it is. After a clock was set back, the time before is no time of its own.
        """
        if answered_at is None or answered_at == self._last:
            return
        self.known_until = min(self._last, answered_at)
        self._last = answered_at
