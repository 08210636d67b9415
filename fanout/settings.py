"""The fan-out's settings."""

from pydantic import Field

from chassis.settings import AdminSettings, Section, ServiceSettings

_MIB = 1_048_576


class FanoutLimits(Section):
    """How far back repeats are known, and how much one tick and one queue hold."""

    dedupe_s: float = Field(
        default=3600.0,
        ge=0,
        le=604_800,
        description="Seconds within which a repeat of an event (source, id) is dropped.",
    )
    dedupe_events: int = Field(
        default=200_000,
        ge=1,
        le=10_000_000,
        description="Events of a partition that the dedupe window holds; about 200 bytes each.",
    )
    dedupe_bytes: int = Field(
        default=64 * _MIB,
        ge=1024,
        description="Bytes of log of a partition that the dedupe window spans; "
        "a takeover reads as much.",
    )
    tick_records: int = Field(
        default=3_000, ge=1, le=100_000, description="Records after which a tick is full."
    )
    tick_bytes: int = Field(
        default=8 * _MIB, ge=1024, description="Bytes after which a tick is full."
    )
    queue_records: int = Field(
        default=2_000,
        ge=1,
        le=100_000,
        description="Events of a partition read ahead; no more are fetched above it.",
    )
    queue_bytes: int = Field(
        default=8 * _MIB, ge=1024, description="Bytes of a partition's events read ahead."
    )


class FanoutSettings(ServiceSettings):
    """Everything the fan-out reads from the environment."""

    admin: AdminSettings = AdminSettings(port=9102)
    fanout: FanoutLimits = FanoutLimits()
