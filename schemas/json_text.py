"""Look at JSON text that a parser has accepted: how deep it is, which names come twice. Pure.

Both run only over proven JSON, and in time that grows with its length alone.
"""

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

import orjson

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MEMBER: Final = re.compile(
    rb'[ \t\r\n,]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL
)
_END: Final = re.compile(rb"[ \t\r\n]*\}")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("]"): -1}
_QUICK_ROUNDS: Final = 3
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")


def depth_of(raw: bytes, *, at_most: int) -> int:
    """Bound the nesting of valid JSON: exact above `at_most`, else only not above it.

    The first rounds take the innermost levels away, so that a wide document is not walked bracket
    by bracket in Python.
    """
    upper_bound = raw.count(b"[") + raw.count(b"{")
    if upper_bound <= at_most:
        return upper_bound
    brackets = _STRING.sub(b"", raw).translate(_ONE_KIND, delete=_NOT_BRACKETS)
    depth = 0
    while brackets and depth < _QUICK_ROUNDS:
        brackets = brackets.replace(b"[]", b"")
        depth += 1
    return depth + max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def has_duplicate_names(raw: bytes, members: Mapping[str, bytes]) -> bool:
    """Tell whether a valid JSON object repeats a name, escapes included.

    `members` keeps the last value of each name. So walking over the text, the first member whose
    bytes are not those of `members`, or whose name came before, belongs to a repeated name.
    """
    seen: set[str] = set()
    at = raw.index(b"{") + 1
    while (match := _MEMBER.match(raw, at)) is not None:
        name: str = orjson.loads(match.group(1))
        value = members.get(name)
        if value is None or name in seen or not raw.startswith(value, match.end()):
            return True
        seen.add(name)
        at = match.end() + len(value)
    return _END.match(raw, at) is None
