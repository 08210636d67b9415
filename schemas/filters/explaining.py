"""Say why an event is for a subscription or not, with the engine that decides it."""

from collections.abc import Sequence

import msgspec

from schemas.event import Event
from schemas.filters.compiled import CompiledFilter, look_of, matcher_of
from schemas.filters.syntax import Condition
from schemas.filters.view import MISSING, Elements, EventView

EVERYTHING = "*"
PREFIX_MARK = ".*"


class Explanation(msgspec.Struct, frozen=True):
    """Whether an event matches, and each fact that decided."""

    matches: bool
    why: list[str]


def explain(
    event: Event, *, event_types: Sequence[str], compiled: CompiledFilter | None
) -> Explanation:
    """Match one event as fan-out would; `why` never repeats what the event holds."""
    view = EventView(event)
    wanted = next((p for p in event_types if wants_type(p, event.type)), None)
    if wanted is None:
        why = ["event_types: none of them is the type of the event"]
    else:
        why = [f"event_types: {wanted} is the type of the event"]
    if compiled is None:
        why.append("filter: there is none")
        return Explanation(wanted is not None, why)
    is_passed = compiled.matches(view)
    why.append("filter: holds" if is_passed else "filter: does not hold")
    why += [_line(condition, view) for condition in compiled.conditions()]
    if view.refusals:
        why.append("filter: its paths visit too many array elements of this event")
    return Explanation(wanted is not None and is_passed, why)


def wants_type(pattern: str, event_type: str) -> bool:
    """Whether a pattern of `event_types` is for a type: exact, `order.*` (anything below), `*`."""
    if pattern == EVERYTHING:
        return True
    if pattern.endswith(PREFIX_MARK):
        below = pattern.removesuffix(EVERYTHING)
        return event_type.startswith(below) and len(event_type) > len(below)
    return pattern == event_type


def _line(condition: Condition, view: EventView) -> str:
    found = look_of(condition.path)(view)
    verdict = "true" if matcher_of(condition)(view) else "false"
    return f"filter{condition.pointer}: {verdict}, {_kind_of(found)}"


def _kind_of(found: object) -> str:
    if found is MISSING:
        return "the path is missing"
    if isinstance(found, Elements):
        return "the value is an array"
    if found is None:
        return "the value is null"
    if isinstance(found, bool):
        return "the value is a boolean"
    if isinstance(found, str):
        return "the value is a string"
    if isinstance(found, dict):
        return "the value is an object"
    return "the value is a number"
