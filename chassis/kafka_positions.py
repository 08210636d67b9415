"""Know which offsets a consumer skipped because its log begins above them.

`chassis.kafka_seam` puts this into aiokafka and is where to ask. Not for what is known to be lost
before a consumer reads, as at a takeover.
"""

from aiokafka.consumer.subscription_state import TopicPartitionState


class GuardedState(TopicPartitionState):  # type: ignore[misc]  # aiokafka is untyped
    """The position of a consumer in a partition.

    When the log has lost it, aiokafka goes on where the log begins, and nobody hears of it.
    """

    _fallen_from: int | None = None
    skipped = range(0)

    def await_reset(self, strategy: int) -> None:
        """Forget the position: at first there is none, later the log has lost it."""
        if self.has_valid_position:
            self._fallen_from = self.position
        super().await_reset(strategy)

    def reset_to(self, position: int) -> None:
        """Go on from here; a log that was cut at its end begins below, and nothing is skipped."""
        super().reset_to(position)
        if self._fallen_from is not None:
            self.skipped = range(self._fallen_from, position)
            self._fallen_from = None

    def seek(self, position: int) -> None:
        """Go on from where somebody says; what was skipped before is not what they look for."""
        self._fallen_from, self.skipped = None, range(0)
        super().seek(position)
