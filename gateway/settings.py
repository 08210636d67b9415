"""The settings of the gateway."""

from pydantic import Field, SecretStr

from chassis.settings import AdminSettings, EgressSettings, Section, ServiceSettings, VaultSettings

_MIB = 1024 * 1024


class HttpSettings(Section):
    """The public listener and its bounds."""

    host: str = Field(
        default="0.0.0.0", min_length=1, max_length=255, description="Address of the HTTP API."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the HTTP API; 0 = any.")
    max_event_bytes: int = Field(
        default=262_144, ge=1, le=262_144, description="Bytes of one event's data; more is refused."
    )
    max_body_bytes: int = Field(
        default=8 * _MIB,
        ge=1024,
        le=64 * _MIB,
        description="Bytes of a batch's body; more is refused.",
    )
    max_connections: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Connections open at once; the next closes an idle one or gets a 503.",
    )
    max_requests: int = Field(
        default=1_000, ge=1, le=100_000, description="Requests served at once; the next gets a 503."
    )
    max_request_bytes_in_flight: int = Field(
        default=64 * _MIB,
        ge=_MIB,
        le=1024 * _MIB,
        description="Bytes of bodies held at once; a request that does not fit gets a 503.",
    )
    body_timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="Seconds in which a body must arrive; else 408."
    )
    keepalive_s: float = Field(
        default=15.0, gt=0, le=300, description="Seconds an idle connection is kept open."
    )
    linger_s: float = Field(
        default=0.005,
        ge=0,
        le=0.1,
        description="Seconds an event may wait for others to be written with it; one that comes "
        "alone does not wait.",
    )
    produce_deadline_s: float = Field(
        default=4.5,
        gt=0,
        le=60,
        description="Seconds an admitted event may wait for Kafka; then 503. "
        "The rest of the promised 5 s is for the way there and back.",
    )


class AuthSettings(Section):
    """Who may use the API."""

    root_key: SecretStr = Field(
        min_length=32,
        max_length=1024,
        description="The key that may do everything; at least 32 characters.",
    )


class RegistrySettings(Section):
    """The registry: how much it may hold, how it is written, and when it forgets."""

    keys_max: int = Field(default=10_000, ge=1, le=100_000, description="API keys at most.")
    event_types_max: int = Field(default=5_000, ge=1, le=50_000, description="Event types at most.")
    quota_buckets_max: int = Field(
        default=65_536,
        ge=1_000,
        le=10_000_000,
        description="Quotas counted at once; beyond, the least recently used begins anew.",
    )
    key_writes_per_second: float = Field(
        default=100.0,
        ge=0.01,
        le=1_000_000,
        description="Changes that one key may make in a second in the long run; more get a 429.",
    )
    key_writes_burst: int = Field(
        default=5_000, ge=1, le=10_000_000, description="Changes that one key may make at once."
    )
    subscriber_writes_per_second: float = Field(
        default=20.0,
        ge=0.01,
        le=1_000_000,
        description="Changes for one subscriber in a second in the long run; more get a 429.",
    )
    subscriber_writes_burst: int = Field(
        default=2_500, ge=1, le=10_000_000, description="Changes for one subscriber at once."
    )
    write_deadline_s: float = Field(
        default=2.0,
        ge=0.1,
        le=60,
        description="Seconds in which a change must be written; else 503. So long a request waits,"
        " too, whose key may have been revoked while Kafka was silent.",
    )
    tombstone_after_s: float = Field(
        default=604_800,
        ge=1,
        le=31_536_000,
        description="Seconds a deleted record stays before its tombstone.",
    )
    tombstone_interval_s: float = Field(
        default=3_600, ge=0.1, le=86_400, description="Seconds between two looks for such records."
    )
    tombstones_per_run: int = Field(
        default=5_000, ge=1, le=1_000_000, description="Tombstones written in one look at most."
    )


class GatewaySettings(ServiceSettings):
    """Everything the gateway reads from its environment."""

    admin: AdminSettings = AdminSettings(port=9101)
    gateway: HttpSettings = HttpSettings()
    auth: AuthSettings
    vault: VaultSettings
    registry: RegistrySettings = RegistrySettings()
    egress: EgressSettings = EgressSettings()
