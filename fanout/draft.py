"""Collect the plans of events until they make a tick."""

from collections import Counter

from chassis.kafka import Record
from chassis.tracing import Span
from fanout.plan import Plan, Result
from fanout.received import Received
from schemas.event_types import SchemaMode
from schemas.quarantine import QuarantineReason


class Draft:
    """What the next transaction will hold; records lie in input order."""

    def __init__(self, *, records_max: int, bytes_max: int) -> None:
        self.records: list[Record] = []
        self.results: Counter[Result] = Counter()
        self.reasons: Counter[QuarantineReason] = Counter()
        self.schema_modes: Counter[SchemaMode] = Counter()
        self.accepted_at: Counter[int] = Counter()
        self.spans: list[Span] = []
        self.deliveries = 0
        self.events = 0
        self.costly_events = 0
        self.size_bytes = 0
        self.is_full = False
        """Whether it should be committed before more is added; one event always fits."""
        self._records_max = records_max
        self._bytes_max = bytes_max

    def add(self, received: Received, plan: Plan) -> None:
        """Take the plan of an event in."""
        self.events += 1
        self.results[plan.result] += 1
        if plan.records:
            self.records += plan.records
            self.size_bytes += plan.size_bytes
        self.is_full = (
            self.events >= self._records_max
            or len(self.records) >= self._records_max
            or self.size_bytes >= self._bytes_max
        )
        if plan.result is Result.MATCHED:
            self.deliveries += len(plan.records)
            self.accepted_at[received.timestamp] += 1
        if plan.reason is not None:
            self.reasons[plan.reason] += 1
        if plan.schema_mode is not None:
            self.schema_modes[plan.schema_mode] += 1
        self.costly_events += plan.is_costly
