"""Tests of the published JSON Schemas."""

import json
from importlib import resources
from pathlib import Path

import pytest

from schemas.json_schemas import RECORDS, generate, write

PUBLISHED = Path(__file__).parents[3] / "schemas" / "json"


def test_published_schemas_are_those_the_code_writes() -> None:
    """A changed record shape shows in the diff: run `python -m schemas.json_schemas`."""
    assert {path.stem: path.read_bytes() for path in PUBLISHED.iterdir()} == generate()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_schema_is_read_from_the_package(name: str) -> None:
    """Tools need no checkout."""
    published = resources.files("schemas") / "json" / f"{name}.json"
    schema = json.loads(published.read_bytes())

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$defs" in schema


def test_schemas_are_written_into_a_new_folder(tmp_path: Path) -> None:
    """The generator makes what it needs."""
    write(tmp_path / "new")

    assert sorted(p.stem for p in (tmp_path / "new").iterdir()) == sorted(RECORDS)
