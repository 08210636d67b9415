"""The deliverer's settings."""

from pydantic import Field, model_validator

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
    host_share: float = Field(
        default=0.25,
        ge=0.001,
        le=1,
        description="The share of these attempts that one host and port may hold, "
        "whoever subscribed to it; 1 = no such bound.",
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
    remembered_max: int = Field(
        default=10_000,
        ge=0,
        le=1_000_000,
        description="Deliveries remembered as delivered when a partition is lost before that was "
        "committed; beyond, the oldest would be sent again if it comes back.",
    )
    sweep_rest_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="The longest rest in seconds before the log is read again for lanes that wait "
        "there; lanes that come back meanwhile share the reading.",
    )
    send_trace: bool = Field(
        default=False,
        description="Send `traceparent` and `tracestate` to receivers; "
        "they are strangers, and would learn your trace ids and vendors.",
    )


class BreakerSettings(Section):
    """When deliveries to a failing subscription are held back, and how it is tried again."""

    failures: int = Field(
        default=10,
        ge=1,
        le=1_000,
        description="Failures in a row that open a subscription's breaker "
        "(70 % of the last 20 attempts do, too).",
    )
    probe_s: float = Field(
        default=30.0,
        ge=0.1,
        le=3_600,
        description="Seconds until an open breaker lets one attempt go; "
        "doubled after each that fails.",
    )
    probe_max_s: float = Field(
        default=900.0, ge=0.1, le=86_400, description="The longest such wait in seconds."
    )

    @model_validator(mode="after")
    def _check_order(self) -> "BreakerSettings":
        if self.probe_max_s < self.probe_s:
            raise ValueError("probe_max_s must not be below probe_s")
        return self


class DelivererSettings(ServiceSettings):
    """Everything the deliverer reads from the environment."""

    admin: AdminSettings = AdminSettings(port=9103)
    vault: VaultSettings
    egress: EgressSettings = EgressSettings()
    deliverer: DeliveryLimits = DeliveryLimits()
    breaker: BreakerSettings = BreakerSettings()
