"""Tests of paths into an event, and of what they may cost."""

import msgspec
import pytest

from schemas.event import Event
from schemas.filters import CompiledFilter, EventView, compile_filter
from schemas.filters.syntax import parse_path
from schemas.filters.view import MISSING, Elements, Path
from tests.unit.schemas.filters.events import event


def _path(text: str) -> Path:
    path = parse_path(text)
    assert isinstance(path, Path)
    return path


def _compiled(document: object) -> CompiledFilter:
    compiled = compile_filter(document)
    assert isinstance(compiled, CompiledFilter)
    return compiled


@pytest.mark.parametrize(
    ("data", "path", "value"),
    [
        ({"a": {"b": 1}}, "data.a.b", 1),
        ({"a": {"0": "key"}}, "data.a.0", "key"),
        ({"a": ["x", "y"]}, "data.a.1", "y"),
        (["x", {"b": 2}], "data.1.b", 2),
        ({"a": None}, "data.a", None),
        ({"a": {}}, "data.a", {}),
        ({"a b": {"ü": 1}}, "data.a b.ü", 1),
        ({"a": {"b": 1}}, "data.a.c", MISSING),
        ({"a": {"b": 1}}, "data.a.b.c", MISSING),
        ({"a": None}, "data.a.b", MISSING),
        ({"a": "text"}, "data.a.0", MISSING),
        ({"a": ["x"]}, "data.a.1", MISSING),
        ({"a": ["x"]}, "data.a.00", MISSING),
        ({"a": ["x"]}, "data.a.-1", MISSING),
        ({"a": []}, "data.a.b", MISSING),
        ({"a": [1, "x", None]}, "data.a.b", MISSING),
        (5, "data.a", MISSING),
    ],
)
def test_a_path_finds_a_value(data: object, path: str, value: object) -> None:
    """Names into objects, numbers into arrays; anything else is missing."""
    view = EventView(event(data))

    assert view.at(_path(path)) == value
    assert view.at(_path(path)) == value


@pytest.mark.parametrize(
    ("data", "path", "numbers"),
    [
        ({"a": [3, "x", 1]}, "data.a", [1, 3]),
        ({"a": [[3], [[2]], 1]}, "data.a", [1, 2, 3]),
        ({"lines": [{"n": 2}, {"m": 9}, 5, {"n": 1}]}, "data.lines.n", [1, 2]),
        ({"lines": [{"n": [2, 3]}, {"n": 1}]}, "data.lines.n", [1, 2, 3]),
        ({"lines": [{"n": [2, 3]}, {"n": [1]}]}, "data.lines.n.0", [1, 2]),
        ({"a": [[{"b": 1}], {"b": 2}]}, "data.a.b", [1, 2]),
        ({"a": []}, "data.a", []),
    ],
)
def test_a_path_through_an_array_finds_what_its_elements_have(
    data: object, path: str, numbers: list[int]
) -> None:
    """An array stands for its elements; a number segment picks one of them."""
    found = EventView(event(data)).at(_path(path))

    assert isinstance(found, Elements)
    assert found.numbers == numbers


@pytest.mark.parametrize(
    "odd",
    [
        event(b"{not json"),
        event(b""),
        msgspec.structs.replace(event({"x": 1}), data=None),
        event({"x": 1}, datacontenttype="text/plain"),
        event(b"\xff\xfe"),
    ],
)
def test_data_that_is_not_json_has_no_paths(odd: Event) -> None:
    """Also when a JSON text says it is something else."""
    view = EventView(odd)

    assert view.at(_path("data.x")) is MISSING
    assert _compiled({"data.x": {"$ne": 1}}).matches(view)


def test_data_without_a_content_type_may_be_json() -> None:
    """Most producers on Kafka send none."""
    assert EventView(event({"x": 1}, datacontenttype=None)).at(_path("data.x")) == 1
    assert EventView(event({"x": 1}, datacontenttype="a/b+json")).at(_path("data.x")) == 1


def test_a_view_that_is_asked_too_much_refuses_and_says_so() -> None:
    """A filter that asked beyond the budget does not match, even by `$ne` or `$not`."""
    view = EventView(event({"a": [1] * 60, "b": [1] * 60, "c": 1}), elements_max=100)

    assert _compiled({"data.a": 1}).matches(view)
    assert not _compiled({"data.b": {"$ne": 7}}).matches(view)
    assert not _compiled({"$not": {"data.b.x": 7}}).matches(view)
    assert view.refusals == 2
    assert _compiled({"data.c": 1}).matches(view)
    assert _compiled({"data.a": 1}).matches(view)


def test_one_path_of_the_largest_event_is_always_within_the_budget() -> None:
    """262,144 bytes hold 131,071 numbers, whatever arrays they lie in."""
    flat = b"[" + b",".join([b"1"] * 131_071) + b"]"
    nested = b"[" + b",".join([b"[1]"] * 65_535) + b"]"

    for raw in (flat, nested):
        view = EventView(event(b'{"a":' + raw + b"}"))
        assert _compiled({"data.a": 1}).matches(view)
        assert not view.refusals
