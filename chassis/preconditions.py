"""What must hold before anything of a service starts: this Python, the brokers, the topics.

The first component after the probes. It waits for brokers that do not answer (SIGTERM cancels the
wait) and refuses what only a person can mend.
"""

import asyncio
from collections.abc import Sequence

from structlog.typing import FilteringBoundLogger

from chassis import kafka, topics
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from chassis.topics import TopicPlanLike

AGAIN_S = 0.5


class Preconditions:
    """Component: its start ends when Kafka answers and the topics are as planned."""

    def __init__(
        self,
        settings: KafkaSettings,
        plans: Sequence[TopicPlanLike],
        *,
        client_id: str,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._client_id = client_id
        self._log = log

    async def start(self) -> None:
        """Wait for the brokers; raises StartRefused when the topics or this Python are wrong."""
        kafka.check_runtime()
        never = asyncio.Event()
        while True:
            await kafka.wait_for_brokers(self._settings, self._log, never)
            try:
                await self._verify()
            except KafkaUnavailable as error:
                self._log.warning("kafka.topics_unknown", error=str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def drain(self, deadline_s: float) -> None:
        """Nothing runs."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def _verify(self) -> None:
        client = kafka.admin(self._settings, client_id=self._client_id)
        await kafka.start(client)
        try:
            await topics.verify(client, self._plans)
        finally:
            await kafka.retire(client, timeout_s=1)
