"""Turn the tree of a filter into one closure."""

from collections.abc import Callable, Iterator

from schemas.event import Event
from schemas.filters.operators import operator_of
from schemas.filters.syntax import All, Condition, Either, FilterError, Node, Not, parse_filter
from schemas.filters.view import MISSING, Elements, EventView, Path

Matcher = Callable[[EventView], bool]
Look = Callable[[EventView], object]


class CompiledFilter:
    """A checked filter; immutable, shared by all events."""

    __slots__ = ("_matcher", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self._matcher = matcher_of(node)

    def matches(self, view: EventView) -> bool:
        """Whether the event passes; never when the filter asked beyond the event's budget."""
        refusals = view.refusals
        return self._matcher(view) and view.refusals == refusals

    def conditions(self) -> Iterator[Condition]:
        """Return every condition, in document order."""
        pending: list[Node] = [self.node]
        while pending:
            node = pending.pop()
            if isinstance(node, Condition):
                yield node
            else:
                parts = (node.part,) if isinstance(node, Not) else node.parts
                pending += reversed(parts)


def compile_filter(document: object) -> CompiledFilter | list[FilterError]:
    """Check and compile a filter document; total on any value."""
    parsed = parse_filter(document)
    return parsed if isinstance(parsed, list) else CompiledFilter(parsed)


def matcher_of(node: Node) -> Matcher:
    """Return the closure of a node; as deep as the filter nests."""
    match node:
        case Condition():
            return _condition(node)
        case Not(part):
            holds = matcher_of(part)
            return lambda view: not holds(view)
        case All(parts):
            return _all(tuple(matcher_of(part) for part in parts))
        case Either(parts):
            return _either(tuple(matcher_of(part) for part in parts))


def look_of(path: Path | str) -> Look:
    """Return what reads a path; attributes need no data."""
    if isinstance(path, Path):
        return lambda view: view.at(path)
    if path in Event.__struct_fields__:
        return lambda view: _present(getattr(view.event, path))
    return lambda view: view.event.extensions.get(path, MISSING)


def _present(value: str | None) -> object:
    return MISSING if value is None else value


def _condition(condition: Condition) -> Matcher:
    look = look_of(condition.path)
    holds, holds_among, holds_missing = operator_of(condition.operator, condition.operand)

    def matches(view: EventView) -> bool:
        found = look(view)
        if found is MISSING:
            return holds_missing
        if isinstance(found, Elements):
            return holds_among(found)
        return holds(found)

    return matches


def _all(parts: tuple[Matcher, ...]) -> Matcher:
    def matches(view: EventView) -> bool:
        for holds in parts:  # noqa: SIM110  # a generator costs twice as much here
            if not holds(view):
                return False
        return True

    return matches


def _either(parts: tuple[Matcher, ...]) -> Matcher:
    def matches(view: EventView) -> bool:
        for holds in parts:  # noqa: SIM110
            if holds(view):
                return True
        return False

    return matches
