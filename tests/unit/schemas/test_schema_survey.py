"""Tests of what a JSON Schema may be before it is compiled."""

import pytest

from schemas.schema_survey import SchemaError, Survey, survey


def _errors(document: object) -> list[SchemaError]:
    found = survey(document)
    assert isinstance(found, list)
    return found


def _chain(links: int, copies: int) -> dict[str, object]:
    """Each definition refers `copies` times to the next."""
    links_of: dict[str, object] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * copies} for n in range(links)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**links_of, f"d{links}": {"type": "integer"}}}


@pytest.mark.parametrize(
    "document",
    [
        True,
        {},
        {"$id": "https://a.example/s", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "#there", "$defs": {"a": {"$anchor": "there"}}},
        {"properties": {"child": {"$ref": "#"}, "$ref": {"type": "string"}, "id": {}}},
        {
            "const": {"$ref": "https://a.example/x"},
            "enum": [{"$id": "x"}],
            "default": {"$ref": "x"},
        },
        {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {}}},
        {"allOf": [{"$ref": "#/allOf/1"}, {"$ref": "#/allOf/0"}]},
        _chain(10, 2),
        _chain(30, 1),
    ],
)
def test_a_schema_that_refers_to_itself_may_be_compiled(document: object) -> None:
    """Also in circles; and words of JSON Schema inside values are only values."""
    assert isinstance(survey(document), Survey)


@pytest.mark.parametrize(
    ("document", "pointer", "word"),
    [
        (None, "", "object"),
        ([], "", "object"),
        ("x", "", "object"),
        ({"a": object()}, "", "JSON"),
        ({"$ref": "https://a.example/s"}, "/$ref", "fetched"),
        ({"$ref": "other.json"}, "/$ref", "fetched"),
        ({"$ref": "file:///a"}, "/$ref", "fetched"),
        ({"properties": {"a/b": {"$ref": "http://x"}}}, "/properties/a~1b/$ref", "fetched"),
        ({"anyOf": [{}, {"$dynamicRef": "http://x"}]}, "/anyOf/1/$dynamicRef", "fetched"),
        ({"not": {"$recursiveRef": "http://x"}}, "/not/$recursiveRef", "fetched"),
        ({"$defs": {"a": {"$id": "http://x"}}}, "/$defs/a", "$id"),
        ({"title": "x" * 65_536}, "", "65536 bytes"),
        ({"allOf": [{"pattern": "a"}] * 60 + [{"patternProperties": {"b": {}}}] * 41}, "", "100"),
        (_chain(14, 2), "", "unfold"),
        (_chain(100, 1), "", "references"),
    ],
)
def test_a_schema_beyond_the_rules_is_refused(document: object, pointer: str, word: str) -> None:
    """With its place."""
    first = _errors(document)[0]

    assert first.pointer == pointer
    assert word in first.detail


def test_a_deep_schema_is_refused_without_a_deep_stack() -> None:
    """Both the deep and the bottomless."""
    deep: dict[str, object] = {}
    for _ in range(70):
        deep = {"not": deep}
    bottomless: dict[str, object] = {}
    bottomless["not"] = bottomless

    assert "64 deep" in _errors(deep)[0].detail
    assert "64 deep" in _errors(bottomless)[0].detail


def test_the_names_a_schema_speaks_of_are_known() -> None:
    """They may be repeated in an answer; other names of the data may not."""
    found = survey({"properties": {"a": {"items": {"properties": {"b": {}}}}}})

    assert isinstance(found, Survey)
    assert found.names == {"a", "b"}


def test_errors_are_bounded() -> None:
    """A person mends many at once; nobody gets megabytes back."""
    assert len(_errors({"allOf": [{"$ref": "x"}] * 50})) == 20
