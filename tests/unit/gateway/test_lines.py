"""Requests in their lines, and what each record of them is told."""

from collections.abc import Sequence

from chassis.kafka import Record, record_bytes
from gateway.lines import Line, NotPublished, Outcome, Published, Submission

ANY_BYTES = 1_000_000


def record(value: bytes, partition: int = 0) -> Record:
    """Make a record."""
    return Record("events", partition, b"acme", value)


class Desk:
    """Two lines, and what requests were told."""

    def __init__(self) -> None:
        self.lines = {0: Line(0), 1: Line(1)}
        self.told: list[list[Outcome]] = []

    def enter(self, *records: Record) -> Submission:
        """Put a request into its lines."""
        submission = Submission(records, 1.0, self.tell)
        for part in submission.parts:
            self.lines[part.partition].parts.append(part)
        return submission

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Note an answer."""
        self.told.append(list(outcomes))


def test_the_records_of_requests_share_a_batch_and_learn_their_own_places() -> None:
    """In the order of requests, and within a request in its order."""
    desk = Desk()
    desk.enter(record(b"a"))
    desk.enter(record(b"b"), record(b"c"))

    batch = desk.lines[0].take(ANY_BYTES)
    batch.settle(40)

    assert [one.value for one in batch.records] == [b"a", b"b", b"c"]
    assert desk.told == [[Published(0, 40)], [Published(0, 41), Published(0, 42)]]
    assert not desk.lines[0].parts


def test_a_request_over_two_partitions_is_told_when_both_are_known() -> None:
    """Outcomes stand in the order of its records."""
    desk = Desk()
    desk.enter(record(b"a", 1), record(b"b", 0), record(b"c", 1))

    desk.lines[1].take(ANY_BYTES).settle(7)
    assert desk.told == []
    desk.lines[0].take(ANY_BYTES).settle(None)

    assert desk.told == [[Published(1, 7), NotPublished(was_tried=True), Published(1, 8)]]


def test_what_does_not_fit_stays_at_the_front() -> None:
    """A request may need several batches; a record that never fits goes alone."""
    desk = Desk()
    small, large = record(b"s"), record(b"l" * 1_000)
    desk.enter(small, large, small)
    bound = 2 * record_bytes(small)

    batches = [desk.lines[0].take(bound) for _ in range(3)]
    for base, batch in enumerate(batches):
        batch.settle(10 * base)

    assert [len(batch.records) for batch in batches] == [1, 1, 1]
    assert desk.told == [[Published(0, 0), Published(0, 10), Published(0, 20)]]


def test_what_is_over_says_what_was_tried_and_leaves_nothing_to_take() -> None:
    """A 503 `unavailable` that is written afterwards would be a lie."""
    desk = Desk()
    submission = desk.enter(record(b"a"), record(b"b"), record(b"c", 1))
    batch = desk.lines[0].take(1)

    submission.expire()
    submission.expire()
    batch.settle(5)

    assert desk.told == [
        [NotPublished(was_tried=True), NotPublished(was_tried=False), NotPublished(was_tried=False)]
    ]
    assert [desk.lines[p].take(ANY_BYTES).records for p in (0, 1)] == [[], []]


def test_the_front_of_a_line_forgets_what_is_over() -> None:
    """While the brokers are away requests end by their deadline only."""
    desk = Desk()
    old, new = desk.enter(record(b"a")), desk.enter(record(b"b"))

    old.expire()
    desk.lines[0].prune()

    assert [part.submission for part in desk.lines[0].parts] == [new]
