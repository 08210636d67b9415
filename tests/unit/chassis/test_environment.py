"""From variables to settings: mapping, mistakes, and no value in any message."""

import base64

import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator

from chassis.environment import describe, load, variables
from chassis.refusal import SettingsError
from chassis.settings import AdminSettings, CommaList, Section, ServiceSettings, VaultSettings

KEY = base64.b64encode(b"k" * 32).decode()
BOOT = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "a:1,b:2"}


class ShopSettings(Section):
    """A section of a service."""

    root_key: SecretStr = Field(min_length=32, description="Key.")
    names: CommaList = Field(default=(), description="Names.")
    is_open: bool = Field(default=False, description="Open.")
    limit: int | None = Field(default=None, ge=1, description="Limit.")

    @field_validator("names")
    @classmethod
    def _check(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name.startswith("bad"):
                raise ValueError(f"{name!r} does not appear to be a name")
        return names


class Shop(ServiceSettings):
    """A service with needs, and an admin port of its own."""

    admin: AdminSettings = AdminSettings(port=9199)
    shop: ShopSettings


class Store(ServiceSettings):
    """Another service, with a vault."""

    vault: VaultSettings


SHOP = {**BOOT, "HOOKLANE_SHOP__ROOT_KEY": "r" * 32}


def _load(environ: dict[str, str]) -> Shop:
    return load(Shop, environ, services=[Shop, Store])


def _problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(environ)
    return caught.value.problems


def test_variables_become_typed_values() -> None:
    """Text turns into lists, numbers, booleans and secrets."""
    settings = _load(
        {
            **SHOP,
            "HOOKLANE_SHOP__NAMES": "x, y",
            "HOOKLANE_SHOP__IS_OPEN": "true",
            "HOOKLANE_SHOP__LIMIT": "7",
            "HOOKLANE_TOPICS__PARTITIONS": "3",
            "PATH": "/bin",
        }
    )

    assert settings.kafka.bootstrap_servers == ("a:1", "b:2")
    assert settings.shop.names == ("x", "y")
    assert settings.shop.is_open is True
    assert settings.shop.limit == 7
    assert settings.topics.partitions == 3
    assert settings.shop.root_key.get_secret_value() == "r" * 32


def test_a_section_keeps_the_defaults_of_its_service() -> None:
    """Setting the admin host must not lose the service's own port."""
    settings = _load({**SHOP, "HOOKLANE_ADMIN__HOST": "127.0.0.1"})

    assert settings.admin == AdminSettings(host="127.0.0.1", port=9199)


def test_an_empty_variable_is_not_set() -> None:
    """`${X:-}` in a compose file means the default."""
    settings = _load({**SHOP, "HOOKLANE_SHOP__LIMIT": "", "HOOKLANE_TOPICS__PREFIX": ""})

    assert settings.shop.limit is None
    assert settings.topics.prefix == "hooklane"


def test_every_missing_variable_is_named_at_once() -> None:
    """Starting three times to learn of three variables is a waste."""
    assert _problems({}) == [
        "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS: is required",
        "HOOKLANE_SHOP__ROOT_KEY: is required",
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("HOOKLANE_KAFKA__BOOTSTRAP_SERVER", "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"),
        ("HOOKLANE_KAFKA_BOOTSTRAP_SERVERS", "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"),
        ("HOOKLANE_VAULT__KEY", "HOOKLANE_VAULT__KEYS"),
        ("hooklane_vault__keys", "HOOKLANE_VAULT__KEYS"),
    ],
)
def test_a_mistyped_variable_is_refused_with_the_nearest_name(name: str, near: str) -> None:
    """The suggestion may belong to another service."""
    assert _problems({**SHOP, name: "x"}) == [
        f"{name}: no service knows this variable; did you mean {near}?"
    ]


@pytest.mark.parametrize("name", ["HOOKLANE_ZZZZZZ", "HOOKLANE_KAFKA", "HOOKLANE_"])
def test_an_unknown_variable_is_refused(name: str) -> None:
    """Nothing near: the list of all variables is named, or something near it."""
    [problem] = _problems({**SHOP, name: '{"a": 1}'})

    assert problem.startswith(f"{name}: no service knows this variable; ")


def test_variables_of_other_services_are_let_pass() -> None:
    """One ConfigMap serves all of them; only their own service judges the value."""
    assert _load({**SHOP, "HOOKLANE_VAULT__KEYS": "not judged here"})


@pytest.mark.parametrize(
    "name",
    [
        "HOOKLANE_URL",
        "HOOKLANE_KEY",
        "HOOKLANE_GATEWAY_SERVICE_HOST",
        "HOOKLANE_GATEWAY_SERVICE_PORT_HTTP",
        "HOOKLANE_GATEWAY_PORT",
        "HOOKLANE_GATEWAY_PORT_8080_TCP_ADDR",
        "HOOKLANE_PORT",
    ],
)
def test_clients_and_service_links_are_ignored(name: str) -> None:
    """What Kubernetes adds for a Service named hooklane-gateway is nobody's mistake."""
    assert _load({**SHOP, name: "tcp://10.0.0.1:8080"})


@pytest.mark.parametrize("name", ["HOOKLANE_ADMIN__PORT_", "HOOKLANE_KAFKA__SERVICE_X"])
def test_service_links_have_no_double_underscore(name: str) -> None:
    """A mistake that looks like a link is still a mistake."""
    assert len(_problems({**SHOP, name: "1"})) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOOKLANE_SHOP__ROOT_KEY", "hunter2-short"),
        ("HOOKLANE_SHOP__LIMIT", "hunter2"),
        ("HOOKLANE_SHOP__LIMIT", "-87654321"),
        ("HOOKLANE_SHOP__IS_OPEN", "hunter2"),
        ("HOOKLANE_SHOP__NAMES", "fine,bad-hunter2"),
        ("HOOKLANE_LOG__LEVEL", "hunter2"),
        ("HOOKLANE_TOPICS__PREFIX", "hunter2 with space"),
        ("HOOKLANE_KAFKA__SSL_CAFILE", "/hunter2/ca.pem"),
        ("HOOKLANE_KAFKA__SASL_PASSWORD", "hunter2"),
    ],
)
def test_a_rejected_value_is_never_shown(name: str, value: str) -> None:
    """It may be a secret that got into the wrong variable; one line names the variable."""
    [problem] = _problems({**SHOP, name: value})

    assert problem.startswith(name.split("__", maxsplit=1)[0])
    assert "hunter2" not in problem
    assert "87654321" not in problem
    assert "\n" not in problem


def test_describing_masks_secrets() -> None:
    """`--check-config` is pasted into tickets."""
    shown = describe(_load({**SHOP, "HOOKLANE_SHOP__NAMES": "x"}))

    assert shown["shop"] == {
        "root_key": "**********",
        "names": ["x"],
        "is_open": False,
        "limit": None,
    }


def test_variables_are_listed_with_their_effective_default() -> None:
    """What the docs are made of."""
    listed = {variable.name: variable.default for variable in variables(Shop)}

    assert listed["HOOKLANE_ADMIN__PORT"] == 9199
    assert listed["HOOKLANE_TOPICS__PARTITIONS"] == 12
    assert "HOOKLANE_SHOP__ROOT_KEY" in listed


def test_a_field_outside_a_section_is_a_fault_of_the_model() -> None:
    """The scheme has two levels; another one would have no variable."""

    class Flat(BaseModel):
        port: int = 1

    with pytest.raises(TypeError, match=r"Flat\.port must be a section"):
        list(variables(Flat))
