"""List the topics as data: what `topics apply` creates and services check (CONTRACT §3).

Every topic has the same partition count, and a subscriber's records lie on the partition of its
key's Java murmur2 hash in each of them. Sizes: data is at most 256 KiB, so 1 MiB carries an event
or a delivery with all its headers; what wraps one of those (base64 in `quarantine`, a further
header in `retry.*` and `dead-letters`) gets 2 MiB.
"""

from functools import lru_cache
from typing import Literal

import msgspec

DAY_MS = 86_400_000
MIB = 1_048_576
PARTITION_CACHE_KEYS = 65_536

Service = Literal["fanout", "deliverer", "registry"]


class TopicSpec(msgspec.Struct, frozen=True):
    """One topic of the product; `retention_ms` is None for a compacted one."""

    suffix: str
    cleanup: Literal["delete", "compact"]
    retention_ms: int | None
    config: dict[str, str]


class Tier(msgspec.Struct, frozen=True):
    """A delay topic: each of its records waits `delay_ms`."""

    name: str
    delay_ms: int
    suffix: str


class TopicPlan(msgspec.Struct, frozen=True):
    """A topic as it should stand in the cluster."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


TIERS: tuple[Tier, ...] = tuple(
    Tier(name, delay_ms, f"retry.{name}")
    for name, delay_ms in (
        ("5s", 5_000),
        ("30s", 30_000),
        ("5m", 300_000),
        ("30m", 1_800_000),
        ("2h", 7_200_000),
        ("6h", 21_600_000),
    )
)

_BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}
_SMALL = {"max.message.bytes": str(MIB)}
_LARGE = {"max.message.bytes": str(2 * MIB)}
# The active segment of a compacted topic is never compacted: with the broker's defaults a takeover
# would read a gigabyte of `$window` records (PROTOCOL L1).
_LANES = {
    "segment.bytes": str(16 * MIB),
    "segment.ms": "3600000",
    "min.cleanable.dirty.ratio": "0.05",
    "max.compaction.lag.ms": "600000",
    "delete.retention.ms": str(DAY_MS),
}
_REGISTRY = {
    "segment.bytes": str(64 * MIB),
    "segment.ms": str(DAY_MS),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(DAY_MS),
}

TOPICS: tuple[TopicSpec, ...] = (
    TopicSpec("events", "delete", 7 * DAY_MS, _BROKER_TIME | _SMALL),
    TopicSpec("deliveries", "delete", 7 * DAY_MS, _BROKER_TIME | _SMALL),
    *(TopicSpec(tier.suffix, "delete", 7 * DAY_MS, _BROKER_TIME | _LARGE) for tier in TIERS),
    TopicSpec("dead-letters", "delete", 30 * DAY_MS, _LARGE),
    TopicSpec("attempts", "delete", 7 * DAY_MS, _SMALL),
    TopicSpec("lanes", "compact", None, _LANES | _SMALL),
    TopicSpec("registry", "compact", None, _BROKER_TIME | _REGISTRY | _SMALL),
    TopicSpec("quarantine", "delete", 30 * DAY_MS, _LARGE),
)


def topic_name(prefix: str, suffix: str) -> str:
    """Return the full name of a topic."""
    return f"{prefix}.{suffix}"


def plan(prefix: str, partitions: int, replication_factor: int) -> list[TopicPlan]:
    """Return every topic as it should stand, in the order of CONTRACT §3."""
    return [
        TopicPlan(
            topic_name(prefix, spec.suffix),
            partitions,
            replication_factor,
            _config(spec, replication_factor),
        )
        for spec in TOPICS
    ]


def transactional_id(prefix: str, service: Service, partition: int) -> str:
    """Return the id whose claim is the ownership of a partition."""
    return f"{prefix}-{service}-{partition}"


@lru_cache(maxsize=PARTITION_CACHE_KEYS)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition Java clients choose; cached, a hash costs some µs in Python."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Hash like Kafka's Java client (32 bits, unsigned)."""
    multiplier, mask, length = 0x5BD1E995, 0xFFFFFFFF, len(data)
    whole = length & ~3
    hashed = 0x9747B28C ^ length
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        hashed = (hashed * multiplier & mask) ^ word
    if whole < length:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    hashed = (hashed ^ (hashed >> 13)) * multiplier & mask
    return hashed ^ (hashed >> 15)


def _config(spec: TopicSpec, replication_factor: int) -> dict[str, str]:
    config = {
        "cleanup.policy": spec.cleanup,
        "min.insync.replicas": "1" if replication_factor == 1 else "2",
        "unclean.leader.election.enable": "false",
    }
    if spec.retention_ms is not None:
        config["retention.ms"] = str(spec.retention_ms)
    return config | spec.config
