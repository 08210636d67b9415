"""Tests of the topic table and of the partitioner."""

import os

import pytest
from aiokafka.partitioner import murmur2 as referee

from schemas.topics import (
    MIB,
    TIERS,
    TOPICS,
    murmur2,
    partition_of,
    plan,
    topic_name,
    transactional_id,
)


def _config(suffix: str, replication_factor: int = 3) -> dict[str, str]:
    name = topic_name("p", suffix)
    return next(t.config for t in plan("p", 12, replication_factor) if t.name == name)


def test_the_topics_are_those_of_the_contract() -> None:
    """Names, and one partition count for all."""
    plans = plan("hooklane", 12, 3)

    assert [t.name for t in plans] == [
        "hooklane." + suffix
        for suffix in [
            "events",
            "deliveries",
            "retry.5s",
            "retry.30s",
            "retry.5m",
            "retry.30m",
            "retry.2h",
            "retry.6h",
            "dead-letters",
            "attempts",
            "lanes",
            "registry",
            "quarantine",
        ]
    ]
    assert {(t.partitions, t.replication_factor) for t in plans} == {(12, 3)}


@pytest.mark.parametrize("suffix", ["events", "deliveries", "retry.6h", "registry"])
def test_the_brokers_clock_decides_where_order_in_time_matters(suffix: str) -> None:
    """A producer's clock decides nothing (PROTOCOL L2)."""
    assert _config(suffix)["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("spec", TOPICS, ids=lambda spec: spec.suffix)
def test_no_topic_can_lose_what_was_acknowledged(spec: object) -> None:
    """Two replicas in sync and no unclean election; one replica where there is only one."""
    suffix = spec.suffix  # type: ignore[attr-defined]  # parametrize hands over objects

    assert _config(suffix)["min.insync.replicas"] == "2"
    assert _config(suffix, 1)["min.insync.replicas"] == "1"
    assert _config(suffix)["unclean.leader.election.enable"] == "false"


def test_lanes_are_compacted_in_small_segments() -> None:
    """A takeover reads megabytes, not a gigabyte (PROTOCOL L1)."""
    config = _config("lanes")

    assert config["cleanup.policy"] == "compact"
    assert config["segment.bytes"] == str(16 * MIB)
    assert config["max.compaction.lag.ms"] == "600000"
    assert "retention.ms" not in config


@pytest.mark.parametrize(
    ("suffix", "days"),
    [("events", 7), ("retry.5s", 7), ("attempts", 7), ("dead-letters", 30), ("quarantine", 30)],
)
def test_records_are_kept_as_promised(suffix: str, days: int) -> None:
    """Retention is part of the contract."""
    assert _config(suffix)["retention.ms"] == str(days * 86_400_000)
    assert _config(suffix)["cleanup.policy"] == "delete"


def test_what_wraps_an_event_may_be_twice_as_large() -> None:
    """An event that fits its topic always fits quarantine, retry and dead letter."""
    for suffix in ("retry.5s", "dead-letters", "quarantine"):
        assert int(_config(suffix)["max.message.bytes"]) == 2 * MIB
    assert int(_config("events")["max.message.bytes"]) == MIB


def test_tiers_ascend() -> None:
    """The choice of a tier walks them in order."""
    delays = [tier.delay_ms for tier in TIERS]

    assert delays == sorted(delays) == [5000, 30_000, 300_000, 1_800_000, 7_200_000, 21_600_000]


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(key: bytes, hashed: int) -> None:
    """The vectors are those of Kafka's own tests."""
    assert murmur2(key) == hashed & 0xFFFFFFFF


def test_the_hash_agrees_with_the_client_library_for_every_length() -> None:
    """Also bytes above 127, where sign extension goes wrong in ports."""
    for length in range(130):
        for _ in range(5):
            key = os.urandom(length)
            assert murmur2(key) == referee(key) & 0xFFFFFFFF
            assert partition_of(key, 12) == (referee(key) & 0x7FFFFFFF) % 12


def test_transactional_ids_name_service_and_partition() -> None:
    """The claim of a partition is the same wherever its owner runs."""
    assert transactional_id("hooklane", "fanout", 3) == "hooklane-fanout-3"
