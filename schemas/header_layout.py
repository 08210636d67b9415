"""Know by their names which headers of a record a receiver sees: most records have the same. Pure.

Whoever walks over the headers of each delivery and asks for each name takes twice as long.
"""

import re
from collections.abc import Callable
from operator import itemgetter

from schemas.cloudevents import HOPS_HEADER

Names = tuple[str, ...]
Values = tuple[bytes, ...]
Picker = Callable[[Values], Values]

_RECORD_NAME = re.compile(r"ce_([a-z0-9]+)", re.ASCII)
_CONTENT_TYPE = "content-type"
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

    `lines` is the part of a request's head that tells the attributes and the content type, as a
    template for what `shown` picks from the values. `attributes` picks those without the content
    type, which has a grammar of its own and lies at `content_type`. Both are None when there are
    too few attributes, or two content types. `hops` is the place of the header that counts
    deliveries; of repeated ones the first. Places are None where there is no such header.
    """

    __slots__ = ("attributes", "content_type", "hops", "lines", "names", "shown")

    def __init__(self, names: Names) -> None:
        self.names = names
        self.hops = _place_of(HOPS_HEADER, names)
        self.content_type = _place_of(_CONTENT_TYPE, names)
        lines: list[bytes] = []
        shown: list[int] = []
        for place, name in enumerate(names):
            http_name = name if name == _CONTENT_TYPE else http_name_of(name)
            if http_name is not None:
                lines.append(f"{http_name}: ".encode("ascii") + b"%b\r\n")
                shown.append(place)
        self.lines = b"".join(lines)
        self.shown: Picker | None = None
        self.attributes: Picker | None = None
        attributes = [place for place in shown if names[place] != _CONTENT_TYPE]
        if len(attributes) >= _PICKED_MIN and names.count(_CONTENT_TYPE) <= 1:
            self.shown, self.attributes = itemgetter(*shown), itemgetter(*attributes)


class Layouts(dict[Names, Layout]):
    """Layouts by names; a bounded number of short ones is remembered."""

    def __missing__(self, names: Names) -> Layout:
        layout = Layout(names)
        if len(names) <= _NAMES_MAX and sum(map(len, names)) <= _CHARS_MAX:
            if len(self) >= _REMEMBERED_MAX:
                self.clear()  # somebody makes up names; who does not is back at once
            self[names] = layout
        return layout


def _place_of(name: str, names: Names) -> int | None:
    return names.index(name) if name in names else None
