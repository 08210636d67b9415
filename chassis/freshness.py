"""How old what a reader knows may be, judged by the answers to its fetches. Pure."""


class Freshness:
    """Remember two answers: what the last one says was asked after the one before had come.

    When the last one came says nothing: a process that was frozen finds it in its socket when it
    thaws, and would take what it says for new. Times are epoch milliseconds.
    """

    __slots__ = ("_before", "_last")

    def __init__(self) -> None:
        self._before: int | None = None
        self._last: int | None = None

    def note(self, answered_at: int | None) -> None:
        """Note when the latest answer came, None when there was none yet; the same again is none.

        To be asked often: answers that come between two calls are one, and what is known counts as
        older than it is.
        """
        if answered_at is None or answered_at == self._last:
            return
        self._before = answered_at if self._last is None else self._last
        self._last = answered_at

    @property
    def known_since(self) -> int | None:
        """Return a time up to which surely all is known, None before the first answer."""
        return self._before
