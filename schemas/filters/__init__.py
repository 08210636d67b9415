"""Decide by its content whether an event is for a subscription (CONTRACT §4, "Filter").

A filter is a JSON object: members are joined by "and"; a member is a path with an operand or with
operators, or `$and`, `$or`, `$not` over further filters. It is checked and compiled to closures
once; matching is total, reads the data of an event at most once, and is bounded in time.
"""

from schemas.filters.compiled import CompiledFilter, compile_filter
from schemas.filters.explaining import Explanation, explain
from schemas.filters.syntax import FilterError
from schemas.filters.view import EventView

__all__ = [
    "CompiledFilter",
    "EventView",
    "Explanation",
    "FilterError",
    "compile_filter",
    "explain",
]
