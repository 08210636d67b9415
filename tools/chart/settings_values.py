"""`settings`: the services' own settings as values, with the services' own bounds.

Everything a service reads can be set except what the chart sets itself. The models are the
services' (`<service>/settings.py`), so a new setting of a service is a value of the chart after the
next `make generate`, and a mistyped or unbounded one is refused before anything is installed.
"""

from collections.abc import Iterator

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from deliverer.settings import DelivererSettings
from fanout.settings import FanoutSettings
from gateway.settings import GatewaySettings
from tools.chart.shapes import Values

SERVICES: tuple[type[BaseModel], ...] = (GatewaySettings, FanoutSettings, DelivererSettings)

OF_THE_CHART = frozenset({"admin", "auth", "kafka", "topics", "vault"})
"""Sections that have values of their own, or that Service, probes and monitors rely on."""

FIELDS_OF_THE_CHART = frozenset({("gateway", "host"), ("gateway", "port")})


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """List the sections of all services once, in the order of the services."""
    seen: set[str] = set()
    for service in SERVICES:
        for name, info in service.model_fields.items():
            if name in OF_THE_CHART or name in seen:
                continue
            seen.add(name)
            if not isinstance(info.annotation, type) or not issubclass(info.annotation, BaseModel):
                raise TypeError(f"{service.__name__}.{name} must be a section model")
            yield name, info.annotation


def settings_model() -> type[Values]:
    """Build the model of the value `settings`: nothing is required, nothing has a default."""
    blocks: dict[str, tuple[object, FieldInfo]] = {}
    for name, section in sections():
        block: type[Values] = _block(name, section)
        text = (section.__doc__ or "").strip().splitlines()[0]
        shown = FieldInfo(default_factory=block, description=text)
        blocks[name] = (block, shown)
    # mypy cannot follow field definitions that are only known when this runs.
    return create_model("Settings", __base__=Values, **blocks)  # type: ignore[call-overload,no-any-return]


def _block(name: str, section: type[BaseModel]) -> type[Values]:
    fields: dict[str, tuple[object, FieldInfo]] = {}
    for field, info in section.model_fields.items():
        if (name, field) in FIELDS_OF_THE_CHART or "SecretStr" in repr(info.annotation):
            continue  # a secret goes into extraEnv, from a Secret
        shown = FieldInfo.merge_field_infos(info, default=None)
        fields[field] = (info.annotation, shown)
    title = f"{name.capitalize()}Settings"
    return create_model(title, __base__=Values, **fields)  # type: ignore[call-overload,no-any-return]
