"""The shared sections: defaults, bounds, and what does not go together."""

import base64
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from chassis import settings as sections
from chassis.settings import (
    AdminSettings,
    EgressSettings,
    KafkaSettings,
    LogSettings,
    Section,
    ServiceSettings,
    TopicsSettings,
    VaultSettings,
)
from chassis.vault import Vault

KEY = base64.b64encode(b"k" * 32).decode()
SECTIONS = [
    value
    for value in vars(sections).values()
    if isinstance(value, type) and issubclass(value, Section) and value is not Section
]


def _kafka(**fields: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": "kafka:9092", **fields})


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_field_is_documented(section: type[BaseModel]) -> None:
    """A setting without a description cannot be set by anyone but its author."""
    assert section.model_fields
    for name, info in section.model_fields.items():
        assert info.description, name
        assert info.description.endswith("."), name


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_sections_are_frozen_and_closed(section: type[BaseModel]) -> None:
    """Nobody changes a setting after the start or adds one on the side."""
    assert section.model_config.get("frozen") is True
    assert section.model_config.get("extra") == "forbid"
    assert section.model_config.get("hide_input_in_errors") is True


def test_defaults_are_those_of_the_contract() -> None:
    """CONTRACT §2 names them."""
    service = ServiceSettings(kafka=_kafka())

    assert service.topics == TopicsSettings(prefix="hooklane", partitions=12, replication_factor=3)
    assert service.lifecycle.shutdown_s == 25
    assert (service.log.level, service.log.format) == ("info", "json")


def test_servers_are_comma_separated() -> None:
    """As in every Kafka client; spaces and a trailing comma do not matter."""
    assert _kafka(bootstrap_servers="a:1, b:2,").bootstrap_servers == ("a:1", "b:2")
    assert _kafka(bootstrap_servers="[::1]:9092").bootstrap_servers == ("[::1]:9092",)


@pytest.mark.parametrize("servers", ["", ",", "kafka", "kafka:", ":9092", "a:1,b:0", "a:70000"])
def test_servers_need_host_and_port(servers: str) -> None:
    """A missing port is the most usual mistake; it is told by the entry's number."""
    with pytest.raises(ValidationError):
        _kafka(bootstrap_servers=servers)


PASSWORD = {"sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "p"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"security_protocol": "SASL_SSL"}, "SASL_MECHANISM, SASL_USERNAME and SASL_PASSWORD"),
        (
            {"security_protocol": "SASL_SSL", **PASSWORD, "sasl_password": None},
            "SASL_MECHANISM, SASL_USERNAME and SASL_PASSWORD",
        ),
        (PASSWORD, "SECURITY_PROTOCOL must be SASL_SSL"),
        ({"security_protocol": "SSL", "sasl_username": "u"}, "SECURITY_PROTOCOL must be SASL_SSL"),
        ({"ssl_cafile": __file__}, "SECURITY_PROTOCOL must be SSL"),
        ({"security_protocol": "SSL", "ssl_keyfile": __file__}, "SSL_KEYFILE needs"),
    ],
)
def test_half_a_security_set_up_is_refused(fields: dict[str, object], text: str) -> None:
    """A password that would not be used, or a protocol without one, is a mistake."""
    with pytest.raises(ValidationError, match=text):
        _kafka(**fields)


def test_whole_security_set_ups_are_accepted() -> None:
    """The four protocols, each with what it needs."""
    assert not _kafka().is_tls
    assert _kafka(security_protocol="SSL", ssl_certfile=__file__, ssl_keyfile=__file__).is_tls
    sasl = _kafka(security_protocol="SASL_PLAINTEXT", **PASSWORD)
    assert (sasl.is_sasl, sasl.is_tls) == (True, False)
    both = _kafka(security_protocol="SASL_SSL", ssl_cafile=__file__, **PASSWORD)
    assert (both.is_sasl, both.is_tls) == (True, True)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A certificate that is not there is found at start, not at the first connection."""
    with pytest.raises(ValidationError, match="file"):
        _kafka(security_protocol="SSL", ssl_cafile=tmp_path / "absent.pem")


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        (TopicsSettings, {"partitions": 0}),
        (TopicsSettings, {"prefix": "a.b"}),
        (TopicsSettings, {"prefix": ""}),
        (AdminSettings, {"port": 65536}),
        (LogSettings, {"level": "loud"}),
        (EgressSettings, {"allow_cidrs": "10.0.0.1/8"}),
        (EgressSettings, {"proxy_url": "https://proxy.example:3128"}),
    ],
)
def test_values_out_of_bounds_are_refused(
    section: type[BaseModel], fields: dict[str, object]
) -> None:
    """Bounds are part of the model."""
    with pytest.raises(ValidationError):
        section.model_validate(fields)


def test_log_levels_are_read_in_any_case() -> None:
    """INFO is what most people write."""
    assert LogSettings.model_validate({"level": "WARNING"}).level == "warning"


def test_vault_keys_make_a_vault() -> None:
    """The section gives pairs as the vault takes them, and hides them when shown."""
    section = VaultSettings.model_validate({"keys": f"new:{KEY},old:{KEY}"})

    assert Vault(section.key_ring()).primary == "new"
    assert KEY not in repr(section)
    assert all(isinstance(key, SecretStr) for key in section.keys)


def test_a_bad_vault_key_is_refused_without_showing_it() -> None:
    """The message counts entries."""
    with pytest.raises(ValidationError, match="entry 2") as caught:
        VaultSettings.model_validate({"keys": f"new:{KEY},old:c2hvcnQ="})

    assert "c2hvcnQ" not in str(caught.value)


def test_a_permitted_network_reaches_the_policy() -> None:
    """HOOKLANE_EGRESS__* is what the egress rules are made of."""
    section = EgressSettings.model_validate({"allow_http": "true", "allow_cidrs": "10.0.0.0/8"})

    policy = section.policy()

    assert policy.allow_http
    assert [str(network) for network in policy.allow_cidrs] == ["10.0.0.0/8"]


def test_an_egress_proxy_is_optional_and_its_password_is_masked() -> None:
    """What `--check-config` prints never holds the login."""
    section = EgressSettings.model_validate({"proxy_url": "http://u:secret-pw@squid:3128"})

    proxy = section.proxy()

    assert EgressSettings().proxy() is None
    assert proxy is not None
    assert (proxy.host, proxy.port) == ("squid", 3128)
    assert "secret-pw" not in repr(section) + str(section.model_dump())
