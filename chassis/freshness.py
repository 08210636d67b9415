"""How old what a reader knows may be, judged by the answers to its fetches. Pure."""


class Freshness:
    """Remember two answers: what the last one says was asked after the one before had come.

    When the last one came says nothing: a process that was frozen finds it in its socket when it
    thaws, and would take what it says for new. Times are epoch milliseconds; `since` is when the
    reader began, before it asked for anything.
    """

    __slots__ = ("_before", "_last")

    def __init__(self, since: int) -> None:
        self._before: int | None = None
        self._last = since

    def note(self, answered_at: int | None) -> None:
        """Note when the latest answer came, all of which was taken in; None or the same is none.

        To be told often: answers that come between two calls are one, and what is known counts as
        older than it is. After a clock was set back, the time before is no time of its own.
        """
        if answered_at is None or answered_at == self._last:
            return
        self._before = min(self._last, answered_at)
        self._last = answered_at

    @property
    def known_until(self) -> int | None:
        """Return a time up to which surely all is known, None before the first answer."""
        return self._before
