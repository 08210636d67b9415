"""What retention is about to remove, asked of a real Kafka."""

import pytest
import structlog
from prometheus_client import CollectorRegistry

from chassis import kafka as clients
from chassis.retention import KafkaSafeOffsets, RetentionWatch
from chassis.settings import KafkaSettings
from deliverer.policy.retention import endangered
from tests.fakes.clock import ManualClock
from tests.integration.chassis.conftest import create_topic, settings_for
from tests.unit.deliverer.policy.build import TIERS, delivery, feed, machine

pytestmark = pytest.mark.kafka

HOUR_MS = 3_600_000
KEPT_MS = {"week": 168 * HOUR_MS, "day": 24 * HOUR_MS}
GAUGE = "hooklane_retention_endangered_lanes"


async def _append(settings: KafkaSettings, topic: str, count: int) -> int:
    """Append records; returns the append time of the last one."""
    maker = clients.producer(settings, client_id="test")
    await clients.start(maker)
    try:
        for _ in range(count):
            answer = await maker.send_and_wait(topic, b"v", key=b"k", partition=0)
    finally:
        await clients.retire(maker)
    return int(answer.timestamp)


async def _topics(settings: KafkaSettings, prefix: str) -> tuple[str, ...]:
    """Create a topic kept for a week, one for a day, and one for ever."""
    kept = {"week": KEPT_MS["week"], "day": KEPT_MS["day"], "ever": -1}
    config = {"message.timestamp.type": "LogAppendTime"}
    return tuple(
        [
            await create_topic(
                settings, f"{prefix}.{name}", 1, **config, **{"retention.ms": str(ms)}
            )
            for name, ms in kept.items()
        ]
    )


async def test_the_log_and_its_settings_say_which_offsets_are_safe(
    kafka: object, prefix: str
) -> None:
    """Each topic by its own retention; what is kept for ever is not compared at all."""
    settings = settings_for(kafka.bootstrap_servers)  # type: ignore[attr-defined]
    names = await _topics(settings, prefix)
    for name in names:
        appended_at = await _append(settings, name, 3)
    safe_offsets = KafkaSafeOffsets(settings, client_id="test", topics=names)

    fresh = await safe_offsets.read([0], appended_at)
    after_a_day = await safe_offsets.read([0], appended_at + 13 * HOUR_MS)
    after_a_week = await safe_offsets.read([0], appended_at + 157 * HOUR_MS)

    assert fresh == {0: [0, 0, None]}
    assert after_a_day == {0: [0, 3, None]}
    assert after_a_week == {0: [3, 3, None]}


async def test_a_lane_that_waits_for_too_long_raises_the_alarm(kafka: object, prefix: str) -> None:
    """Half a day before Kafka removes its first record."""
    settings = settings_for(kafka.bootstrap_servers)  # type: ignore[attr-defined]
    names = await _topics(settings, prefix)
    appended_at = await _append(settings, names[0], 3)
    made = machine()
    feed(made, delivery(1))
    clock, registry = ManualClock(appended_at), CollectorRegistry()
    logs_kept = (names[0], *[names[2]] * len(TIERS))
    watch = RetentionWatch(
        KafkaSafeOffsets(settings, client_id="test", topics=logs_kept),
        registry,
        topics=logs_kept,
        labels=("deliveries", *map(str, range(len(TIERS)))),
        owned=lambda: {0: made.view},
        endangered=endangered,
        clock=clock,
        log=structlog.get_logger(),
    )

    await watch.look()
    before = registry.get_sample_value(GAUGE, {"topic": "deliveries"})
    clock.advance(157 * 3600)
    with structlog.testing.capture_logs() as lines:
        await watch.look()

    assert before == 0
    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 1
    (line,) = [line for line in lines if line["event"] == "retention.near"]
    assert (line["topic"], line["partition"], line["lane"]) == (names[0], 0, "s/0")
