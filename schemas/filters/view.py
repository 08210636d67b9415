"""An event as filters see it: attributes, extensions, and paths into its data.

Many filters look at the same event, so what they share is worked out once: the data is parsed when
the first filter asks for it, a path is walked once, and the elements of an array are sorted once
(then every operator finds its answer by bisection). Sorting, not hashing: a producer can choose
numbers that collide. What cannot be shared is bounded by a budget of array elements per event.
"""

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

from schemas.event import Event
from schemas.json_data import json_data

ELEMENTS_MAX = 500_000
"""Array elements that all filters together may visit in one event; one has 131,000 at most."""


class Missing:
    """The type of `MISSING`."""


MISSING = Missing()

Number = int | float
Segments = tuple[tuple[str, int | None], ...]


class Path(msgspec.Struct, frozen=True):
    """A place in the data; a segment of digits also has the index that it means in an array."""

    text: str
    segments: Segments


class Elements:
    """The scalars of an array, sorted; an object equals nothing that a filter can say."""

    __slots__ = ("_distinct", "_reversed", "has_false", "has_null", "has_true", "numbers", "texts")

    def __init__(self, found: Iterable[object]) -> None:
        numbers: list[Number] = []
        texts: list[str] = []
        self.has_null = self.has_true = self.has_false = False
        for element in found:
            if isinstance(element, str):
                texts.append(element)
            elif element is None:
                self.has_null = True
            elif element is True:
                self.has_true = True
            elif element is False:
                self.has_false = True
            elif isinstance(element, int | float):
                numbers.append(element)
        self.numbers = sorted(numbers)
        self.texts = sorted(texts)
        self._reversed: list[str] | None = None
        self._distinct: frozenset[str] | None = None

    def has_number(self, wanted: Number) -> bool:
        """Whether a number equals it."""
        at = bisect_left(self.numbers, wanted)
        return at < len(self.numbers) and self.numbers[at] == wanted

    def has_any_number(self, wanted: frozenset[Number]) -> bool:
        """Whether a number equals one of them; costs as much as the fewer of both."""
        if len(self.numbers) <= len(wanted):
            return not wanted.isdisjoint(self.numbers)
        return any(self.has_number(number) for number in wanted)

    def has_text(self, wanted: str) -> bool:
        """Whether a string equals it."""
        at = bisect_left(self.texts, wanted)
        return at < len(self.texts) and self.texts[at] == wanted

    def has_any_text(self, wanted: frozenset[str]) -> bool:
        """Whether a string equals one of them; nobody can choose the hashes of strings."""
        if self._distinct is None:
            self._distinct = frozenset(self.texts)
        return not self._distinct.isdisjoint(wanted)

    def has_prefix(self, prefix: str) -> bool:
        """Whether a string begins with it."""
        return _begins(self.texts, prefix)

    def has_suffix(self, suffix: str) -> bool:
        """Whether a string ends with it."""
        if self._reversed is None:
            self._reversed = sorted(text[::-1] for text in self.texts)
        return _begins(self._reversed, suffix[::-1])


class EventView:
    """One event for any number of filters; not to be kept longer than they take."""

    __slots__ = ("_budget", "_data", "_found", "event", "refusals")

    def __init__(self, event: Event, *, elements_max: int = ELEMENTS_MAX) -> None:
        self.event = event
        self.refusals = 0
        self._budget = elements_max
        self._data: object = MISSING
        self._found: dict[str, object] = {}

    def at(self, path: Path) -> object:
        """Return what lies at a path: MISSING, a scalar, an object, or Elements for arrays.

        A name on an array is looked up in each of its elements. Beyond the budget a path is
        MISSING and `refusals` grows, so that the filter that asked can tell.
        """
        found = self._found.get(path.text)
        if found is None:
            found = self._walk(path)
            if found is _REFUSED:
                self.refusals += 1
                return MISSING
            self._found[path.text] = found
        return None if found is _NULL else found

    def _walk(self, path: Path) -> object:
        place = self._root()
        for depth, (name, index) in enumerate(path.segments):
            if isinstance(place, dict):
                place = place.get(name, MISSING)
            elif not isinstance(place, list):
                return MISSING
            elif index is None:
                return self._spread(place, path.segments[depth:])
            else:
                place = place[index] if index < len(place) else MISSING
        if isinstance(place, list):
            return self._elements([place])
        return _NULL if place is None else place

    def _spread(self, array: list[object], segments: Segments) -> object:
        """Follow the rest of a path through every element of an array."""
        places: list[object] = [array]
        for name, index in segments:
            ahead: list[object] | None = places
            if index is None:
                ahead = self._unfold(places)
            elif not self._charge(len(places)):
                ahead = None
            if ahead is None:
                return _REFUSED
            found = (_step(place, name, index) for place in ahead)
            places = [place for place in found if place is not MISSING]
        return self._elements(places) if places else MISSING

    def _elements(self, places: list[object]) -> object:
        flat = self._unfold(places)
        return _REFUSED if flat is None else Elements(flat)

    def _unfold(self, places: list[object]) -> list[object] | None:
        """Put the elements of arrays in their place, of arrays in arrays too; None if refused."""
        if not self._charge(len(places)):
            return None
        flat: list[object] = []
        while places:
            inside: list[object] = []
            for place in places:
                if not isinstance(place, list):
                    flat.append(place)
                elif self._charge(len(place)):
                    inside += place
                else:
                    return None
            places = inside
        return flat

    def _charge(self, elements: int) -> bool:
        """Pay before elements are copied, so that what is refused costs nothing."""
        if elements > self._budget:
            return False
        self._budget -= elements
        return True

    def _root(self) -> object:
        if self._data is MISSING:
            self._data = json_data(self.event)
        return self._data


_NULL = Missing()
_REFUSED = Missing()


def _step(place: object, name: str, index: int | None) -> object:
    if isinstance(place, dict):
        return place.get(name, MISSING)
    if isinstance(place, list) and index is not None and index < len(place):
        return place[index]
    return MISSING


def _begins(ordered: list[str], prefix: str) -> bool:
    at = bisect_left(ordered, prefix)
    return at < len(ordered) and ordered[at].startswith(prefix)
