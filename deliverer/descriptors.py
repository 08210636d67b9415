"""Fit the deliverer into the number of files that the system lets one process open.

A deliverer that runs out of descriptors fails in odd places (Kafka, look-ups, TLS), so it does less
from the start instead, and says so once.
"""

from typing import Final

import msgspec

from deliverer.sender.pool import IDLE_MAX

RESERVED: Final = 512
"""For Kafka, look-ups, the admin server, and connections that are being replaced."""
_LIMIT_MIN: Final = 8


class Descriptors(msgspec.Struct, frozen=True):
    """How many attempts and idle connections fit below `limit` descriptors."""

    limit: int
    max_in_flight: int
    idle_max: int


def fit(limit: int, *, wanted: int) -> Descriptors:
    """Share a limit out: twice the attempts and a reserve, the rest for idle connections.

    Each attempt counts twice since its look-up or its second address may hold another socket.
    Below twice the reserve, half of the limit is the reserve.
    """
    limit = max(limit, _LIMIT_MIN)
    reserved = min(RESERVED, limit // 2)
    max_in_flight = max(1, min(wanted, (limit - reserved) // 2))
    return Descriptors(
        limit=limit,
        max_in_flight=max_in_flight,
        idle_max=min(IDLE_MAX, max(max_in_flight, limit - reserved - 2 * max_in_flight)),
    )


def files_for(wanted: int) -> int:
    """Return how many descriptors so many attempts need at most."""
    return 2 * wanted + RESERVED + IDLE_MAX
