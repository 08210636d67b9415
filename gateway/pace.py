"""When what waits for Kafka goes: few large appends cost a fraction of many small ones. Pure.

All partitions that can go form one round. The next round begins when the one under way is over, and
waits a little longer for as many requests as came lately, for clients that were just answered tend
to come back at once. Neither wait is longer than the linger, and a request that comes alone never
waits: nobody else is expected then.
"""


class Pace:
    """The rounds of one producer, by the times they are told."""

    __slots__ = ("_arrived", "_began_at", "_expected", "_in_round", "_linger_s", "_since")

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._arrived = 0
        self._since = 0.0
        self._began_at = 0.0
        self._in_round = 0
        self._expected = 0

    def arrive(self, now_s: float) -> None:
        """Note that one more request waits."""
        if not self._arrived:
            self._since = now_s
        self._arrived += 1

    def begin(self, now_s: float) -> None:
        """Note that what waited goes."""
        self._began_at = now_s
        self._in_round += self._arrived
        self._arrived = 0

    def end(self, now_s: float) -> None:
        """Note that all that went is answered: as many are expected as went and as came since."""
        self._expected = self._in_round + self._arrived
        self._in_round = 0
        self._since = now_s

    def wait_s(self, now_s: float, *, is_under_way: bool) -> float:
        """Return how long what waits should go on waiting."""
        if is_under_way:
            return max(0.0, self._began_at + self._linger_s - now_s)
        if self._arrived >= self._expected:
            return 0.0
        return max(0.0, self._since + self._linger_s - now_s)
