"""Decide whether a partition may still start attempts (PROTOCOL C6), pure.

A process that lost its network keeps its state and believes itself the owner. So every start needs
a fresh proof that nobody claimed it since: the takeover, or the begin of a tick that was committed
(with or without the group's offset; each writes `$window`, so none goes unasked). It is asked once
more right before a request is written, which a frozen process may do long after the start. Times
are monotonic seconds.
"""

LEASE_S = 10.0
REGISTRY_SILENCE_S = 3.0


class Lease:
    """Remember the last proof of ownership of one partition."""

    def __init__(self, proven_at: float) -> None:
        self._proven_at = proven_at

    def prove(self, at: float) -> None:
        """Note a proof; `at` is when the step that proved it began, never when it ended."""
        self._proven_at = max(self._proven_at, at)

    def is_fresh(self, now: float) -> bool:
        """Tell whether the last proof is young enough to start an attempt."""
        return now - self._proven_at <= LEASE_S

    @staticmethod
    def is_registry_fresh(silence_s: float) -> bool:
        """Tell whether what is known of the registry is young enough: P9 hangs on it."""
        return silence_s <= REGISTRY_SILENCE_S
