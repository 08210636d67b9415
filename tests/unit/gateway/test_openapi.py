"""The OpenAPI document."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import orjson
import pytest

from gateway.openapi import (
    build_document,
    main,
    patch_of,
    properties_of,
    render,
    without_default,
    without_titles,
)
from gateway.reference import render_markdown
from gateway.routes import ROUTES
from schemas.api_keys import Scope

DOCS = Path(__file__).parents[3] / "docs"
DOCUMENT = build_document()


def references(value: object) -> Iterator[str]:
    """Find every `$ref`."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_committed_documents_are_those_the_code_writes() -> None:
    """A changed call or limit shows in the diff: run `python -m gateway.openapi`."""
    assert (DOCS / "openapi.json").read_bytes() == render(DOCUMENT)
    assert (DOCS / "api.md").read_text(encoding="utf-8") == render_markdown(DOCUMENT)
    assert callable(main)


def test_every_call_is_described() -> None:
    """By its method and path, with an answer and the problems it can have."""
    paths = DOCUMENT["paths"]
    assert isinstance(paths, dict)
    for route in ROUTES:
        operation = paths[route.path][route.method.lower()]
        statuses = set(operation["responses"])
        assert operation["operationId"] == route.operation
        assert {str(int(answer.status)) for answer in route.answers} <= statuses
        assert ({"401", "403"} <= statuses) == (route.scope is not None)
        assert ({"413", "415", "408"} <= statuses) == (route.request is not None)
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == {part[1:-1] for part in route.path.split("/") if part[:1] == "{"}


def test_scopes_that_open_no_call_are_told() -> None:
    """A key may have them already."""
    unused = set(get_args(Scope)) - {route.scope for route in ROUTES}
    shapes = build_document()["components"]["schemas"]  # type: ignore[index]

    note = shapes["KeyBody"]["properties"]["scopes"]["description"]

    assert {scope for scope in get_args(Scope) if f"`{scope}`" in note} == unused


def test_every_reference_leads_somewhere_and_every_shape_is_used() -> None:
    """Generators of clients stop at the first that does not."""
    components = DOCUMENT["components"]
    assert isinstance(components, dict)
    known = {f"#/components/schemas/{name}" for name in components["schemas"]}

    assert set(references(DOCUMENT)) == known


@pytest.mark.parametrize(
    "name",
    sorted(DOCUMENT["components"]["schemas"]),  # type: ignore[index]
)
def test_every_shape_is_a_json_schema(name: str) -> None:
    """OpenAPI 3.1 shapes are just that."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}

    jsonschema_rs.validator_for(schema)


def test_a_patch_may_leave_out_and_restore_everything() -> None:
    """Also inside of what is merged by name, and in nested objects."""
    inner: Any = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    shape: Any = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "default": "x"},
            "inner": {"$ref": "#/components/schemas/Inner"},
            "named": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }

    validator = jsonschema_rs.validator_for(patch_of(shape, {"Inner": inner}))

    goods: Any = [{}, {"name": None}, {"inner": {}}, {"inner": {"a": None}}, {"named": {"x": None}}]
    for good in goods:
        assert validator.is_valid(good), good
    for bad in ({"other": 1}, {"name": 5}, {"inner": {"a": "x"}}, {"named": {"x": 5}}):
        assert not validator.is_valid(bad), bad
    assert "default" not in orjson.dumps(patch_of(shape, {})).decode()


def test_a_member_named_title_is_not_taken_for_a_title() -> None:
    """Only what pydantic made of names goes."""
    shape: Any = {"title": "X", "properties": {"title": {"title": "Title", "type": "string"}}}

    assert without_titles(shape) == {"properties": {"title": {"type": "string"}}}
    assert without_default({"default": 1, "type": "x"}) == {"type": "x"}
    assert properties_of(shape) == shape["properties"]
