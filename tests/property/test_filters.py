"""The filter engine against a slow interpreter of the same rules, and on any junk."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.filters import CompiledFilter, EventView, FilterError, compile_filter, explain

NAMES = ["a", "b", "0", "1"]
NUMBERS = st.sampled_from([0, 1, 2, 1.0, -0.0, 1.5, 2**53, 2**53 + 1, -1])
SCALARS = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "a", "ab", "b", "ba", "1", "é"])
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=10,
)
PATHS = st.one_of(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda p: "data." + ".".join(p)),
    st.sampled_from(["id", "type", "subject", "time", "region", "zone"]),
)
OPERATORS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), SCALARS),
    st.tuples(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
        SCALARS.filter(lambda x: x is not None and not isinstance(x, bool)),
    ),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, min_size=1, max_size=4)),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.sampled_from(["$prefix", "$suffix"]), st.sampled_from(["", "a", "ab", "b"])),
)
MEMBERS = st.one_of(
    st.tuples(PATHS, SCALARS),
    st.tuples(PATHS, st.lists(OPERATORS, min_size=1, max_size=2).map(dict)),
    st.tuples(PATHS, OPERATORS.map(lambda pair: {"$not": dict([pair])})),
)
FILTERS = st.recursive(
    st.lists(MEMBERS, max_size=2).map(dict),
    lambda inner: st.one_of(
        st.tuples(st.just("$not"), inner),
        st.tuples(st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3)),
    ).map(lambda pair: dict([pair])),
    max_leaves=5,
)
EVENTS = st.builds(
    Event,
    subscriber=st.just("acme"),
    id=st.sampled_from(["a", "ab"]),
    source=st.just("/s"),
    type=st.sampled_from(["a", "b"]),
    subject=st.none() | st.sampled_from(["a", "b"]),
    extensions=st.dictionaries(
        st.sampled_from(["region", "zone"]), st.sampled_from(["a", "1"]), max_size=2
    ),
    data=st.one_of(st.none(), st.binary(max_size=8), DATA.map(orjson.dumps)),
)


@settings(max_examples=400)
@given(FILTERS, EVENTS)
def test_the_engine_agrees_with_a_slow_interpreter(
    document: dict[str, object], event: Event
) -> None:
    """Same verdict for any filter on any event, also when the view was used before."""
    compiled = compile_filter(document)
    assert isinstance(compiled, CompiledFilter)
    view = EventView(event)
    expected = _holds(document, event)

    assert compiled.matches(view) is expected
    assert compiled.matches(view) is expected
    assert explain(event, event_types=["*"], compiled=compiled).matches is expected


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$and", "$or", "$not", "$eq", "$in", "$gt", "data.a", "type", "$exists", "$x"]
            )
            | st.text(max_size=5)
            | st.integers(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(JUNK, EVENTS)
def test_any_document_compiles_or_is_refused_with_places(document: object, event: Event) -> None:
    """Nothing raises, and what compiles decides about any event."""
    compiled = compile_filter(document)

    if isinstance(compiled, CompiledFilter):
        assert isinstance(compiled.matches(EventView(event)), bool)
    else:
        assert compiled
        assert all(isinstance(error, FilterError) and error.detail for error in compiled)


def _holds(document: dict[str, object], event: Event) -> bool:
    return all(_member_holds(name, value, event) for name, value in document.items())


def _member_holds(name: str, value: object, event: Event) -> bool:
    if name == "$not":
        assert isinstance(value, dict)
        return not _holds(value, event)
    if name in {"$and", "$or"}:
        assert isinstance(value, list)
        verdicts = [_holds(part, event) for part in value]
        return all(verdicts) if name == "$and" else any(verdicts)
    found = _find(name, event)
    operators = value if isinstance(value, dict) else {"$eq": value}
    return _operators_hold(operators, found)


def _operators_hold(operators: dict[str, object], found: list[object]) -> bool:
    return all(_operator_holds(name, operand, found) for name, operand in operators.items())


def _operator_holds(name: str, operand: object, found: list[object]) -> bool:
    """`found` is what lies at the path: nothing, one value, or one for each array met."""
    flat = [value for place in found for value in _flat(place)]
    match name:
        case "$not":
            assert isinstance(operand, dict)
            return not _operators_hold(operand, found)
        case "$exists":
            return bool(found) is operand
        case "$eq":
            return any(_same(value, operand) for value in flat)
        case "$ne":
            return not any(_same(value, operand) for value in flat)
        case "$in" | "$nin":
            assert isinstance(operand, list)
            is_in = any(_same(value, wanted) for value in flat for wanted in operand)
            return is_in is (name == "$in")
        case "$prefix":
            return any(isinstance(v, str) and v.startswith(str(operand)) for v in flat)
        case "$suffix":
            return any(isinstance(v, str) and v.endswith(str(operand)) for v in flat)
    return any(_ordered(name, value, operand) for value in flat)


def _ordered(name: str, value: object, operand: object) -> bool:
    if isinstance(value, str) and isinstance(operand, str):
        order = (value > operand) - (value < operand)
    elif _is_number(value) and _is_number(operand):
        order = (value > operand) - (value < operand)  # type: ignore[operator]
    else:
        return False
    return {"$gt": order > 0, "$gte": order >= 0, "$lt": order < 0, "$lte": order <= 0}[name]


def _same(one: object, other: object) -> bool:
    if _is_number(one) and _is_number(other):
        return one == other
    return type(one) is type(other) and one == other and not isinstance(one, dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _find(path: str, event: Event) -> list[object]:
    if not path.startswith("data."):
        value = getattr(event, path, None)
        if value is None:
            value = event.extensions.get(path)
        return [] if value is None else [value]
    try:
        data = orjson.loads(event.data or b"")
    except orjson.JSONDecodeError:
        return []
    return _follow(data, path.split(".")[1:])


def _follow(place: object, segments: list[str]) -> list[object]:
    if not segments:
        return [place]
    name, *rest = segments
    if isinstance(place, dict):
        return _follow(place[name], rest) if name in place else []
    if isinstance(place, list):
        if name.isdigit():
            return _follow(place[int(name)], rest) if int(name) < len(place) else []
        return [found for element in place for found in _follow(element, segments)]
    return []


def _flat(place: object) -> list[object]:
    if isinstance(place, list):
        return [value for element in place for value in _flat(element)]
    return [place]
