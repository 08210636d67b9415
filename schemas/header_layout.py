"""Know by their names which headers of a record a receiver sees: most records have the same. Pure.

Whoever walks over the headers of each delivery and asks for each name takes twice as long.
"""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from schemas.cloudevents import HOPS_HEADER

Names = tuple[str, ...]
Values = tuple[bytes, ...]

_RECORD_NAME = re.compile(r"ce_([a-z0-9]+)", re.ASCII)
_REMEMBERED_MAX = 1_024
_NAMES_MAX = 32
_CHARS_MAX = 1_024
_PICKED_MIN = 2  # of fewer, `itemgetter` makes no tuple


def http_name_of(record_name: str) -> str | None:
    """Return the HTTP name of an attribute's record header, None for any other header.

    The subscriber's name is between it and us.
    """
    match = _RECORD_NAME.fullmatch(record_name)
    if match is None or match.group(1) == "subscriber":
        return None
    return f"ce-{match.group(1)}"


class Layout:
    """What the names of a record's headers say.

    `lines` is the part of a request's head that tells the attributes, as a template for what
    `shown` picks from the values, which is None when there are too few for it. `hops` is the place
    of the header that counts deliveries, None when there is none; of repeated ones the first.
    """

    __slots__ = ("hops", "lines", "names", "shown")

    def __init__(self, names: Names) -> None:
        self.names = names
        lines: list[bytes] = []
        places: list[int] = []
        for place, name in enumerate(names):
            http_name = name if name == "content-type" else http_name_of(name)
            if http_name is not None:
                lines.append(f"{http_name}: ".encode("ascii") + b"%b\r\n")
                places.append(place)
        self.lines = b"".join(lines)
        self.shown: Callable[[Values], Values] | None = None
        if len(places) >= _PICKED_MIN:
            self.shown = itemgetter(*places)
        self.hops = names.index(HOPS_HEADER) if HOPS_HEADER in names else None


class Layouts:
    """Layouts by names: a bounded number of short ones is remembered; `last` was asked for last.

    To compare names with those costs a third of looking them up.
    """

    __slots__ = ("_known", "last")

    def __init__(self) -> None:
        self.last = Layout(())
        self._known: dict[Names, Layout] = {}

    def find(self, names: Sequence[str]) -> Layout:
        """Return the layout of these names."""
        names = tuple(names)
        layout = self._known.get(names)
        if layout is None:
            layout = Layout(names)
            if len(names) > _NAMES_MAX or sum(map(len, names)) > _CHARS_MAX:
                return layout
            if len(self._known) < _REMEMBERED_MAX:
                self._known[names] = layout
        self.last = layout
        return layout
