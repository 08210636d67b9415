"""How often the configuration may be changed: by one key, and for one subscriber. Pure.

A URL that flips between good and bad with each call costs every reader of the registry as much as
a real change. Refused changes cost a token too: judging them is the work.
"""

from collections.abc import Sequence
from typing import Final

from gateway.auth import Principal
from gateway.limits import Limits, exhausted
from gateway.problems import Problem
from gateway.quotas import Demand, Quotas
from schemas.event import check_subscriber

_ROOT: Final = ""


class WriteLimit:
    """Holds back who changes too much too quickly; the rest of the API is not touched."""

    def __init__(self, quotas: Quotas, limits: Limits) -> None:
        self._quotas = quotas
        self._limits = limits

    def demands(self, principal: Principal, subscriber: str | None) -> Sequence[Demand]:
        """Name the buckets of one change; a name that nobody can have gets none of its own."""
        demands = [Demand("key-writes", principal.key_id or _ROOT, self._limits.key_writes)]
        concerned = principal.subscriber if subscriber is None else subscriber
        if concerned is not None and check_subscriber(concerned) is None:
            quota = self._limits.subscriber_writes
            demands.append(Demand("subscriber-writes", concerned, quota))
        return demands

    def spend(self, demands: Sequence[Demand], now_s: float) -> Problem | None:
        """Let one change pass, or count that it is one too many and say when it is not."""
        wait_s = self._quotas.take(demands, now_s)
        if wait_s <= 0:
            return None
        self._limits.on_hit("config_writes")
        return exhausted("more changes than are allowed in this time", wait_s)

    def headers(self, demands: Sequence[Demand], now_s: float) -> dict[str, str]:
        """Tell what is left."""
        return self._quotas.headers(demands, now_s)
