"""The settings sections that services share, as frozen models.

A service composes them in one model, a subclass of `ServiceSettings`; `load` fills it. A variable
is `HOOKLANE_<SECTION>__<FIELD>`; sections are always two levels deep. Not for reading the
environment anywhere else: modules receive the section, or the value, that they need.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chassis.egress import EgressPolicy
from chassis.egress_proxy import ProxyAddress
from chassis.environment import PREFIX, describe, load, variables
from chassis.refusal import SettingsError
from chassis.vault import parse_keys

__all__ = [
    "COMMA_SEPARATED",
    "AdminSettings",
    "CommaList",
    "EgressSettings",
    "KafkaSettings",
    "LifecycleSettings",
    "LogSettings",
    "Section",
    "ServiceSettings",
    "SettingsError",
    "TopicsSettings",
    "TracingSettings",
    "VaultSettings",
    "describe",
    "load",
    "variables",
]


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


COMMA_SEPARATED = BeforeValidator(_split)
"""Marks a sequence field whose variable is comma-separated; an empty variable is an empty list."""

PORT_MAX = 65535

CommaList = Annotated[tuple[str, ...], COMMA_SEPARATED]


class Section(BaseModel):
    """One group of settings; fields carry description, unit suffix and bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KafkaSettings(Section):
    """How to reach the brokers."""

    bootstrap_servers: CommaList = Field(
        min_length=1, description="Brokers to ask first, `host:port`, comma-separated."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Transport to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="Needed with a SASL_ protocol."
    )
    sasl_username: str | None = Field(default=None, description="User of SASL.")
    sasl_password: SecretStr | None = Field(default=None, description="Password of SASL.")
    ssl_cafile: FilePath | None = Field(
        default=None,
        description="PEM file that signs the brokers' certificates; else the system's.",
    )
    ssl_certfile: FilePath | None = Field(
        default=None, description="PEM certificate of this client, for mutual TLS."
    )
    ssl_keyfile: FilePath | None = Field(
        default=None, description="PEM private key of `SSL_CERTFILE`, unless that file has it."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _check_servers(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for number, server in enumerate(servers, start=1):
            host, _, port = server.rpartition(":")
            if (
                not host
                or not port.isascii()
                or not port.isdigit()
                or not 0 < int(port) <= PORT_MAX
            ):
                raise ValueError(f"entry {number} is not `host:port`")
        return servers

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        sasl = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.is_sasl and None in sasl:
            raise ValueError(
                "SASL_MECHANISM, SASL_USERNAME and SASL_PASSWORD are needed by a SASL_ protocol"
            )
        if not self.is_sasl and any(part is not None for part in sasl):
            raise ValueError(
                "SASL_* is set, so SECURITY_PROTOCOL must be SASL_SSL or SASL_PLAINTEXT"
            )
        if not self.is_tls and (self.ssl_cafile or self.ssl_certfile or self.ssl_keyfile):
            raise ValueError("SSL_* is set, so SECURITY_PROTOCOL must be SSL or SASL_SSL")
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("SSL_KEYFILE needs SSL_CERTFILE")
        return self

    @property
    def is_sasl(self) -> bool:
        """Whether the client authenticates by SASL."""
        return self.security_protocol.startswith("SASL_")

    @property
    def is_tls(self) -> bool:
        """Whether the transport is TLS."""
        return self.security_protocol.endswith("SSL")


class TopicsSettings(Section):
    """Which topics are ours; all of them have the same partition count."""

    prefix: str = Field(
        default="hooklane",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="First part of every topic, group and transactional id.",
    )
    partitions: int = Field(
        default=12, ge=1, le=1000, description="Partitions of each topic; never changed later."
    )
    replication_factor: int = Field(
        default=3, ge=1, le=9, description="Replicas of each partition; 1 only on a single broker."
    )


class AdminSettings(Section):
    """Where probes and metrics are served; a service sets its own default port."""

    host: str = Field(
        default="0.0.0.0",
        min_length=1,
        max_length=255,
        description="Address of probes and metrics.",
    )
    port: int = Field(
        default=9101, ge=0, le=PORT_MAX, description="Port of probes and metrics; 0 = any."
    )
    token: SecretStr | None = Field(
        default=None,
        min_length=16,
        max_length=1024,
        description="Bearer token of `/debug` and `/log-level`, at least 16 characters; "
        "not set = both are 404.",
    )


class LogSettings(Section):
    """What is written to standard output."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = Field(default="info", description="Lowest level that is written.")
    format: Literal["json", "console"] = Field(
        default="json", description="`json`: one object per line; `console`: for people."
    )


class TracingSettings(Section):
    """Where spans go; nothing of it is loaded while `ENDPOINT` is not set."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        max_length=2048,
        description="URL of a collector's OTLP/HTTP traces, e.g. `http://collector:4318/v1/traces`;"
        " not set = no spans. Needs `hooklane[otel]`, which the image has.",
    )
    headers: SecretStr | None = Field(
        default=None,
        description="Header fields for the collector, `name=value`, comma-separated; may be keys.",
    )
    ca_file: FilePath | None = Field(
        default=None, description="PEM file that signs the collector's certificate."
    )
    ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces that begin here to record; "
        "one that arrives with `traceparent` keeps its own decision.",
    )
    queue_spans: int = Field(
        default=4096,
        ge=512,
        le=1_000_000,
        description="Ended spans kept for export; with more, the oldest are dropped and counted.",
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Seconds for one export, with its retries."
    )

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: SecretStr | None) -> SecretStr | None:
        for number, field in enumerate(_fields_of(headers), start=1):
            name, _, value = field.partition("=")
            if not name.strip() or not value.strip() or not field.isprintable():
                raise ValueError(f"entry {number} is not `name=value`")
        return headers

    def header_fields(self) -> dict[str, str]:
        """Return the header fields as the exporter takes them."""
        pairs = (field.partition("=") for field in _fields_of(self.headers))
        return {name.strip(): value.strip() for name, _, value in pairs}


def _fields_of(headers: SecretStr | None) -> list[str]:
    return [] if headers is None else headers.get_secret_value().split(",")


class LifecycleSettings(Section):
    """How the process ends."""

    shutdown_s: float = Field(
        default=25.0,
        gt=0,
        le=3600,
        description="Seconds that SIGTERM leaves for what is in flight; "
        "keep 5 s below the grace period of the orchestrator.",
    )


class VaultSettings(Section):
    """The keys that seal secrets in the registry."""

    keys: Annotated[tuple[SecretStr, ...], COMMA_SEPARATED] = Field(
        min_length=1,
        max_length=16,
        description="`id:base64(32 bytes)`, comma-separated; the first one seals, all open.",
    )

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        parse_keys(key.get_secret_value() for key in keys)
        return keys

    def key_ring(self) -> list[tuple[str, bytes]]:
        """Return (id, 32 bytes) pairs as `Vault` takes them."""
        return parse_keys(key.get_secret_value() for key in self.keys)


class EgressSettings(Section):
    """Where requests to receivers may go beyond public HTTPS."""

    allow_http: bool = Field(
        default=False, description="Accept `http` URLs too: nothing then hides what is sent."
    )
    allow_cidrs: CommaList = Field(
        default=(),
        max_length=64,
        description="Networks that may be reached although they are not public, with any port.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file that signs the receivers' certificates; "
        "else `SSL_CERT_FILE`, else the system's.",
    )
    proxy_url: SecretStr | None = Field(
        default=None,
        description="`http://[user:password@]host:port`: every request goes through this proxy "
        "(CONNECT). It then looks names up, and must itself deny private networks.",
    )

    @field_validator("proxy_url")
    @classmethod
    def _check_proxy(cls, proxy_url: SecretStr | None) -> SecretStr | None:
        if proxy_url is not None:
            ProxyAddress.parse(proxy_url.get_secret_value())
        return proxy_url

    @field_validator("allow_cidrs")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for number, network in enumerate(networks, start=1):
            try:
                EgressPolicy.of(allow_cidrs=[network])
            except ValueError:
                raise ValueError(f"entry {number} is not a network like 10.1.0.0/16") from None
        return networks

    def policy(self) -> EgressPolicy:
        """Return the rules that URLs and addresses are judged by."""
        return EgressPolicy.of(allow_http=self.allow_http, allow_cidrs=self.allow_cidrs)

    def proxy(self) -> ProxyAddress | None:
        """Return the proxy that every request goes through, if there is one."""
        if self.proxy_url is None:
            return None
        return ProxyAddress.parse(self.proxy_url.get_secret_value())


class ServiceSettings(BaseSettings):
    """What every service has; a service adds its own sections and its admin port."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    kafka: KafkaSettings
    topics: TopicsSettings = TopicsSettings()
    admin: AdminSettings = AdminSettings()
    log: LogSettings = LogSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    tracing: TracingSettings = TracingSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from arguments only: `load` alone reads the environment.

        The stock source ignores a mistyped section, reads lists as JSON and shows rejected values.
        """
        return (init_settings,)
