"""Cursor pages over ids that sort by their time of creation. Pure.

A cursor names the last id of its page, so a page stays where it is while newer things are created
(they come before the first page) and while the thing it names is deleted.
"""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.problems import Code, Problem

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 250
_LIMIT_DIGITS_MAX: Final = 3
_CURSOR_CHARS_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What the query asks for; `before` is what ended the page before."""

    limit: int = LIMIT_DEFAULT
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The ids or names of one page in their order, and the cursor of the next one."""

    ids: tuple[str, ...]
    next_cursor: str | None


def parse_page(query: Sequence[tuple[str, str]]) -> PageRequest | Problem:
    """Read `limit` and `cursor`; anything else in the query is an error, as in a body."""
    limit, before = LIMIT_DEFAULT, None
    values = split_query(query, frozenset({"limit", "cursor"}))
    if isinstance(values, Problem):
        return values
    for name, value in values.items():
        if name == "limit":
            is_number = value.isascii() and value.isdigit() and len(value) <= _LIMIT_DIGITS_MAX
            limit = int(value) if is_number else 0
            if not 1 <= limit <= LIMIT_MAX:
                return Problem(Code.INVALID_REQUEST, f"limit is a number from 1 to {LIMIT_MAX}")
        else:
            before = _open_cursor(value)
            if before is None:
                return Problem(Code.INVALID_REQUEST, "cursor is not one that a list has returned")
    return PageRequest(limit, before)


def split_query(
    query: Sequence[tuple[str, str]], known: frozenset[str]
) -> dict[str, str] | Problem:
    """Read a query in which every parameter is known and occurs once."""
    names = [name for name, _ in query]
    if unknown := set(names) - known:
        return Problem(Code.INVALID_REQUEST, f"{len(unknown)} unknown query parameter(s)")
    if len(set(names)) != len(names):
        return Problem(Code.INVALID_REQUEST, "a query parameter occurs twice")
    return dict(query)


def page_of(ids_ascending: Sequence[str], request: PageRequest) -> Page:
    """Cut one page out of all ids, from the newest to the oldest."""
    if request.before is None:
        end = len(ids_ascending)
    else:
        end = bisect_left(ids_ascending, request.before)
    start = max(0, end - request.limit)
    ids = tuple(reversed(ids_ascending[start:end]))
    return Page(ids, _seal_cursor(ids[-1]) if start > 0 else None)


def page_of_names(names_ascending: Sequence[str], request: PageRequest) -> Page:
    """Cut one page out of all names, in their order; names say nothing about time."""
    start = 0 if request.before is None else bisect_right(names_ascending, request.before)
    end = start + request.limit
    ids = tuple(names_ascending[start:end])
    return Page(ids, _seal_cursor(ids[-1]) if end < len(names_ascending) else None)


def _seal_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(b"1:" + last_id.encode()).rstrip(b"=").decode()


def _open_cursor(cursor: str) -> str | None:
    if len(cursor) > _CURSOR_CHARS_MAX or not cursor.isascii():
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    version, _, last_id = text.partition(":")
    return last_id if version == "1" and last_id else None
