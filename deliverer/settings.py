"""The deliverer's settings."""

from pydantic import Field

from chassis.settings import (
    AdminSettings,
    EgressSettings,
    Section,
    ServiceSettings,
    VaultSettings,
)


class DeliveryLimits(Section):
    """How much one deliverer process does and holds at once."""

    max_in_flight: int = Field(
        default=1000, ge=1, le=100_000, description="Attempts in flight in this process."
    )
    buffer_bytes: int = Field(
        default=100_663_296,
        ge=1_048_576,
        description="Bytes of queued deliveries, of the delay topics' read-ahead and in flight.",
    )
    drain_s: float = Field(
        default=3.0,
        ge=0,
        le=10,
        description="Seconds a rebalance waits for running attempts before their last tick.",
    )


class DelivererSettings(ServiceSettings):
    """Everything the deliverer reads from the environment."""

    admin: AdminSettings = AdminSettings(port=9103)
    vault: VaultSettings
    egress: EgressSettings = EgressSettings()
    deliverer: DeliveryLimits = DeliveryLimits()
