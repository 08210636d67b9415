"""One idempotent Kafka producer behind the port of `gateway.publish`."""

from collections.abc import Sequence

from chassis.kafka import KafkaUnavailable, Record, append_batch, producer, retire, start
from chassis.settings import KafkaSettings

_RETIRE_S = 2.0


class KafkaAppender:
    """A producer with acks=all; made anew after any failure."""

    def __init__(self, kafka: KafkaSettings, *, client_id: str, start_timeout_s: float) -> None:
        self._producer = producer(kafka, client_id=client_id)
        self._start_timeout_s = start_timeout_s

    async def start(self) -> None:
        """Connect and take a producer id; raises KafkaUnavailable."""
        await start(self._producer, timeout_s=self._start_timeout_s)

    async def append(self, records: Sequence[Record]) -> int:
        """Append records of one partition as one batch; gives the offset of the first one."""
        try:
            answer = await append_batch(self._producer, records)
        except (RuntimeError, OSError, AssertionError) as error:  # KafkaError is a RuntimeError
            raise KafkaUnavailable(f"the batch was not acknowledged: {error!r}") from error
        if answer.offset < 0:
            raise KafkaUnavailable("the batch was acknowledged without a place")
        base_offset: int = answer.offset
        return base_offset

    async def retire(self) -> None:
        """Flush shortly, then end the producer for good."""
        await retire(self._producer, timeout_s=_RETIRE_S)
