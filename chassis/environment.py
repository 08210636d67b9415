"""Fill a settings model from the environment, and refuse what no service understands.

A mistyped variable that is silently ignored runs a service with a default nobody chose. So every
`HOOKLANE_*` variable must be known to some service of the entry-point group `hooklane.settings`;
one ConfigMap may serve all of them. An empty variable counts as not set (`${X:-}` in compose).
Problems are one line each and never repeat a rejected value: it may be a secret in the wrong place.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chassis.refusal import SettingsError

PREFIX = "HOOKLANE_"
GROUP = "hooklane.settings"
CLIENT_VARIABLES = frozenset({"HOOKLANE_URL", "HOOKLANE_KEY"})
_SUGGESTION_CUTOFF = 0.6

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: where its value goes and what is known of it."""

    name: str
    section: str
    field: str
    info: FieldInfo
    default: object
    """The value without the variable; PydanticUndefined where there is none."""


def load(
    model: type[S],
    environ: Mapping[str, str] | None = None,
    *,
    services: Iterable[type[BaseModel]] | None = None,
) -> S:
    """Build the settings of one service; raises SettingsError with every problem at once.

    `services` are the models whose variables are known too; default: those of the entry points.
    """
    source = os.environ if environ is None else environ  # noqa: TID251 - the one reader
    given = {name: text for name, text in source.items() if name.upper().startswith(PREFIX)}
    own = list(variables(model))
    known = {v.name for other in (services or _services()) for v in variables(other)}
    problems = _unknown(given, known | {v.name for v in own})
    settings: S | None = None
    try:
        settings = model(**_arrange(model, own, given))
    except ValidationError as error:
        problems += _explain(error, given)
    if settings is None or problems:
        raise SettingsError(problems)
    return settings


def describe(settings: BaseModel) -> dict[str, object]:
    """Return the effective settings as plain data for `--check-config`, secrets masked."""
    return settings.model_dump(mode="json")


def variables(model: type[BaseModel]) -> Iterator[Variable]:
    """List what a model reads, in the order of its sections and fields."""
    for section, (section_model, preset) in _sections(model).items():
        for field, info in section_model.model_fields.items():
            name = f"{PREFIX}{section.upper()}__{field.upper()}"
            default = preset.get(field, info.get_default(call_default_factory=True))
            yield Variable(name=name, section=section, field=field, info=info, default=default)


def _sections(model: type[BaseModel]) -> dict[str, tuple[type[BaseModel], dict[str, object]]]:
    found: dict[str, tuple[type[BaseModel], dict[str, object]]] = {}
    for section, info in model.model_fields.items():
        kind = info.annotation
        if not isinstance(kind, type) or not issubclass(kind, BaseModel):
            raise TypeError(f"{model.__name__}.{section} must be a section model")
        found[section] = (kind, _preset(info))
    return found


def _preset(info: FieldInfo) -> dict[str, object]:
    """Return the values a service gives a section by default; none if the section has needs."""
    try:
        default = info.get_default(call_default_factory=True)
    except ValidationError:
        return {}
    return dict(default) if isinstance(default, BaseModel) else {}


def _arrange(
    model: type[BaseModel], own: Iterable[Variable], given: Mapping[str, str]
) -> dict[str, dict[str, object]]:
    """Lay the variables over the section defaults of this service (its own admin port)."""
    values = {section: dict(preset) for section, (_, preset) in _sections(model).items()}
    for variable in own:
        if text := given.get(variable.name):
            values[variable.section][variable.field] = text
    return values


def _services() -> list[type[BaseModel]]:
    models = []
    for entry in entry_points(group=GROUP):
        # An image may leave out a service; its variables are then mistakes here.
        with suppress(ModuleNotFoundError):
            models.append(entry.load())
    return models


def _unknown(given: Iterable[str], known: set[str]) -> list[str]:
    problems = []
    for name in sorted(given):
        if name in known or name in CLIENT_VARIABLES or _is_service_link(name):
            continue
        near = get_close_matches(name.upper(), sorted(known), n=1, cutoff=_SUGGESTION_CUTOFF)
        hint = f"; did you mean {near[0]}?" if near else "; see docs/settings.md"
        problems.append(f"{name}: no service knows this variable{hint}")
    return problems


def _is_service_link(name: str) -> bool:
    """Tell what Kubernetes sets for each Service of the namespace (`enableServiceLinks`)."""
    if "__" in name:
        return False
    return "_SERVICE_" in name or name.endswith("_PORT") or "_PORT_" in name


def _explain(error: ValidationError, given: Mapping[str, str]) -> list[str]:
    lines = []
    for details in error.errors(include_url=False, include_input=False):
        name = PREFIX + "__".join(str(part).upper() for part in details["loc"][:2])
        lines.append(f"{name}: {_reason(details, name, given)}")
    return list(dict.fromkeys(lines))


def _reason(details: ErrorDetails, name: str, given: Mapping[str, str]) -> str:
    if details["type"] == "missing":
        return "is required"
    bounds = details.get("ctx", {})
    if details["type"].endswith("too_short"):  # the library's text tells the length of a secret
        return f"must have a length of at least {bounds['min_length']}"
    if details["type"].endswith("too_long"):
        return f"must have a length of at most {bounds['max_length']}"
    text = details["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if details["type"] in {"value_error", "assertion_error"} and _repeats(text, name, given):
        return "is not valid; see docs/settings.md"
    return text


def _repeats(text: str, name: str, given: Mapping[str, str]) -> bool:
    """Tell whether a validator's own text shows a value: libraries like to quote their input."""
    values = (value for key, value in given.items() if key.startswith(name))
    parts = {part.strip() for value in values for part in (value, *value.split(","))}
    return any(part and part in text for part in parts)
