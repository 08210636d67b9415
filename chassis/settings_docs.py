"""Write down a settings model as a Markdown table, so that the docs cannot drift from the code."""

from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from chassis.environment import Variable, variables

HEADER = "| variable | value | default | meaning |\n|---|---|---|---|\n"
_TYPES = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "secret",
}
_BOUNDS = (
    (annotated_types.Ge, "ge", "≥"),
    (annotated_types.Gt, "gt", ">"),
    (annotated_types.Le, "le", "≤"),
    (annotated_types.Lt, "lt", "<"),
    (annotated_types.MinLen, "min_length", "length ≥"),
    (annotated_types.MaxLen, "max_length", "length ≤"),
)


def render(model: type[BaseModel]) -> str:
    """Return the table of every variable that a service reads, section by section."""
    return HEADER + "".join(render_row(variable) for variable in variables(model))


def render_row(variable: Variable) -> str:
    """Return the line of one variable."""
    value = ", ".join([_type_text(variable.info.annotation), *_bounds(variable.info)])
    cells = (f"`{variable.name}`", value, _default(variable), variable.info.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type_text(kind: object) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type_text(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin in {Union, UnionType}:
        return " or ".join(_type_text(part) for part in arguments if part is not NoneType)
    if origin in {tuple, list, set, frozenset}:
        return f"list of {_type_text(arguments[0])}, comma-separated"
    if isinstance(kind, type):
        return _TYPES.get(kind, "path" if kind.__name__ == "Path" else kind.__name__)
    return str(kind)


def _bounds(info: FieldInfo) -> list[str]:
    return [
        f"{sign} {getattr(mark, attribute)}"
        for mark in info.metadata
        for kind, attribute, sign in _BOUNDS
        if isinstance(mark, kind)
    ]


def _default(variable: Variable) -> str:
    default = variable.default
    if default is PydanticUndefined:
        return "**required**"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if default is None or default == () or isinstance(default, SecretStr):
        return "none"
    if isinstance(default, tuple | list):
        return f"`{','.join(map(str, default))}`"
    return f"`{default}`"
