"""Know where the headers of a record lie by their names: nearly all records of a topic are alike.

To walk over the headers of each delivery again and again, for its head, its hops, its id and its
type, made a tenth of what a delivery costs. Pure.
"""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from schemas.cloudevents import HOPS_HEADER

Headers = Sequence[tuple[str, bytes]]
Values = tuple[bytes, ...]

ABSENT = -1
_RECORD_NAME = re.compile(r"ce_([a-z0-9]+)", re.ASCII)
_REMEMBERED_MAX = 1_024
_NAMES_MAX = 32
_NAME_CHARS_MAX = 80
_PICKED_MIN = 2  # of fewer, `itemgetter` makes no tuple


class Layout(NamedTuple):
    """What the names of a record's headers say; a place is ABSENT when there is no such header.

    `lines` is the part of a request's head that tells the attributes, as a template for what
    `shown` picks from the values; None when there are too few for it.
    """

    event_id: int
    event_type: int
    hops: int
    lines: bytes
    shown: Callable[[Values], Values] | None


class LaidOut(NamedTuple):
    """The headers of one record."""

    headers: Headers
    values: Values
    layout: Layout

    def text(self, place: int) -> str:
        """Return what a header says, "" when it is ABSENT."""
        return "" if place == ABSENT else self.values[place].decode("utf-8", "replace")


def lay_out(headers: Headers) -> LaidOut:
    """Find out where everything lies; of a name that is repeated the first counts."""
    if not headers:
        return LaidOut(headers, (), _layout_of(()))
    names, values = zip(*headers, strict=True)
    return LaidOut(headers, values, _LAYOUTS[names])


def http_name_of(record_name: str) -> str | None:
    """Return the HTTP name of an attribute's record header, None for any other header.

    The subscriber's name is between it and us.
    """
    match = _RECORD_NAME.fullmatch(record_name)
    if match is None or match.group(1) == "subscriber":
        return None
    return f"ce-{match.group(1)}"


class _Layouts(dict[tuple[str, ...], Layout]):
    """Layouts by names: a bounded number of short ones is remembered."""

    def __missing__(self, names: tuple[str, ...]) -> Layout:
        layout = _layout_of(names)
        is_small = len(names) <= _NAMES_MAX and max(map(len, names)) <= _NAME_CHARS_MAX
        if is_small and len(self) < _REMEMBERED_MAX:
            self[names] = layout
        return layout


def _layout_of(names: tuple[str, ...]) -> Layout:
    lines: list[bytes] = []
    places: list[int] = []
    for place, name in enumerate(names):
        http_name = name if name == "content-type" else http_name_of(name)
        if http_name is not None:
            lines.append(f"{http_name}: ".encode("ascii") + b"%b\r\n")
            places.append(place)
    return Layout(
        event_id=_place_of("ce_id", names),
        event_type=_place_of("ce_type", names),
        hops=_place_of(HOPS_HEADER, names),
        lines=b"".join(lines),
        shown=itemgetter(*places) if len(places) >= _PICKED_MIN else None,
    )


def _place_of(name: str, names: tuple[str, ...]) -> int:
    return names.index(name) if name in names else ABSENT


_LAYOUTS = _Layouts()
