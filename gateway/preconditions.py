"""Entity tags and If-Match (RFC 9110 §13.1.1). Pure."""

import re
from typing import Final

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST: Final = re.compile(rf"(?:[ \t]*,)*[ \t]*{_TAG}(?:[ \t]*,(?:[ \t]*{_TAG})?)*[ \t]*")


def etag_of(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"{version}"'


class IfMatch:
    """The condition of one request; absent and `*` hold for every version that exists.

    Comparison is strong: a weak tag never matches.
    """

    def __init__(self, tags: frozenset[str] | None) -> None:
        self._tags = tags

    @property
    def is_specific(self) -> bool:
        """Tell whether the client named versions, so that a lost race must not be retried."""
        return self._tags is not None

    def holds_for(self, version: int) -> bool:
        """Tell whether the current version is one the client accepts."""
        return self._tags is None or etag_of(version) in self._tags


def parse_if_match(value: str | None) -> IfMatch | None:
    """Read the header; None when it is malformed."""
    if value is None or value.strip() == "*":
        return IfMatch(None)
    if not _LIST.fullmatch(value):
        return None
    return IfMatch(frozenset(re.findall(_TAG, value)))
