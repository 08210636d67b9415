"""Collect the plans of events until they make a tick."""

from collections import Counter
from collections.abc import Callable, Sequence

from chassis.kafka import RECORD_BYTES_MAX, Record, record_bytes
from chassis.tracing import Span
from fanout.plan import Plan, PlannedRecord, Received, Result, quarantined
from schemas.event import Violation
from schemas.event_types import SchemaMode
from schemas.quarantine import QuarantineReason

TopicOf = Callable[[str], str]


class Draft:
    """What the next transaction will hold; records lie in input order."""

    def __init__(
        self, *, partition: int, topic_of: TopicOf, records_max: int, bytes_max: int
    ) -> None:
        self.records: list[Record] = []
        self.results: Counter[Result] = Counter()
        self.reasons: Counter[QuarantineReason] = Counter()
        self.schema_modes: Counter[SchemaMode] = Counter()
        self.accepted_at: list[int] = []
        self.spans: list[Span] = []
        self.deliveries = 0
        self.events = 0
        self.costly_events = 0
        self._partition = partition
        self._topic_of = topic_of
        self._records_max = records_max
        self._bytes_max = bytes_max
        self.size_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it should be committed before more is added; one event always fits."""
        return (
            max(len(self.records), self.events) >= self._records_max
            or self.size_bytes >= self._bytes_max
        )

    def add(self, received: Received, plan: Plan) -> None:
        """Take the plan of an event in; what cannot be written is set aside instead."""
        records, sizes = self._sized(plan.records)
        if any(size > RECORD_BYTES_MAX for size in sizes):
            detail = f"a record of it would be above {RECORD_BYTES_MAX} bytes"
            plan = quarantined(received, Violation(QuarantineReason.TOO_LARGE, detail))
            records, sizes = self._sized(plan.records)
        self.records += records
        self.size_bytes += sum(sizes)
        self.events += 1
        self.results[plan.result] += 1
        if plan.reason is not None:
            self.reasons[plan.reason] += 1
        if plan.schema_mode is not None:
            self.schema_modes[plan.schema_mode] += 1
        self.costly_events += plan.is_costly
        if plan.result is Result.MATCHED:
            self.deliveries += len(records)
            self.accepted_at.append(received.timestamp)

    def _sized(self, planned: Sequence[PlannedRecord]) -> tuple[list[Record], list[int]]:
        records = [
            Record(self._topic_of(p.suffix), self._partition, p.key, p.value, p.headers)
            for p in planned
        ]
        return records, [record_bytes(record) for record in records]
