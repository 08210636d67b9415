"""What must hold before anything of a service starts: this Python, the brokers, the topics.

The first component after the probes. It waits for what comes by itself, brokers that do not answer
and topics that somebody is about to create (SIGTERM cancels the wait), and refuses what only a
person can mend. So the parts of an installation may start in any order.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from structlog.typing import FilteringBoundLogger

from chassis import kafka, topics
from chassis.admin import Check
from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from chassis.topics import TopicPlanLike, TopicsMissing

AGAIN_S: Final = 0.5
MISSING_AGAIN_S: Final = 2.0
SAY_AGAIN_S: Final = 60.0
STAGES: Final = ("brokers", "topics")

CHECK: Final = "preconditions"
"""The name of our condition in /readyz."""


class Preconditions:
    """Component: its start ends when Kafka answers and the topics are as planned."""

    def __init__(
        self,
        settings: KafkaSettings,
        plans: Sequence[TopicPlanLike],
        *,
        client_id: str,
        log: FilteringBoundLogger,
        clock: Clock,
        instruments: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._client_id = client_id
        self._log = log
        self._clock = clock
        self._waiting = Gauge(
            "hooklane_start_waiting",
            "1 while the start of this process waits for it.",
            ["on"],
            registry=instruments,
        )
        self._enter(None)
        self._problem = "the start has not come so far"
        self._said: tuple[str, float] | None = None

    def checks(self) -> dict[str, Check]:
        """Return what /readyz asks: true once everything held, else what is waited for."""
        return {CHECK: lambda: self._problem or True}

    async def start(self) -> None:
        """Wait until all holds; raises StartRefused when waiting would not help."""
        kafka.check_runtime()
        never = asyncio.Event()
        try:
            while True:
                self._enter("brokers")
                self._problem = "no broker answers"
                await kafka.wait_for_brokers(self._settings, self._log, never)
                self._enter("topics")
                pause_s = await self._look()
                if pause_s is None:
                    return
                await asyncio.sleep(pause_s)
        finally:
            self._enter(None)

    async def drain(self, deadline_s: float) -> None:
        """Nothing runs."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def _look(self) -> float | None:
        """Compare the topics; None when they are as planned, else how long to wait."""
        try:
            await self._verify()
        except KafkaUnavailable as error:
            self._say("kafka.topics_unknown", str(error))
            return AGAIN_S
        except TopicsMissing as error:
            self._say("kafka.topics_missing", str(error))
            return MISSING_AGAIN_S
        if self._said is not None:
            self._log.info("kafka.topics_found")
        self._problem = ""
        return None

    def _say(self, event: str, problem: str) -> None:
        """Write a line when the problem is new, or was last told a while ago."""
        self._problem = problem
        now_s = self._clock.monotonic()
        if self._said is None or self._said[0] != problem or now_s - self._said[1] >= SAY_AGAIN_S:
            self._said = (problem, now_s)
            self._log.warning(event, problem=problem)

    def _enter(self, stage: str | None) -> None:
        for one in STAGES:
            self._waiting.labels(one).set(one == stage)

    async def _verify(self) -> None:
        client = kafka.admin(self._settings, client_id=self._client_id)
        await kafka.start(client)
        try:
            await topics.verify(client, self._plans)
        finally:
            await kafka.retire(client, timeout_s=1)
