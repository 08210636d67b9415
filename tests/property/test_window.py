"""The window against a naive model: sets of offsets, nothing clever."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deliverer.policy.window import Run, Window


class WindowMachine(RuleBasedStateMachine):
    """Read records and gaps, settle in any order, commit, take over; compare after each step."""

    @initialize(low=st.integers(0, 50))
    def begin(self, low: int) -> None:
        """Start with an empty window."""
        self.window = Window(low)
        self.low = low
        self.records: list[int] = []
        self.settled: set[int] = set()
        self.position = low

    @rule(gap=st.integers(0, 3))
    def read(self, gap: int) -> None:
        """Read the next record, perhaps behind markers."""
        offset = self.position + gap
        self.window.read(offset)
        self.records.append(offset)
        self.position = offset + 1

    @rule(gap=st.integers(1, 3))
    def read_markers(self, gap: int) -> None:
        """Learn that only markers follow."""
        self.position += gap
        self.window.read_to(self.position)

    @precondition(lambda self: set(self.records) - self.settled)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Settle any record that is open."""
        offset = data.draw(st.sampled_from(sorted(set(self.records) - self.settled)))
        self.window.add(offset)
        self.settled.add(offset)

    @rule()
    def commit(self) -> None:
        """Raise the low mark as far as it goes."""
        self.low = self.window.mark
        self.window.advance(self.low)

    @rule()
    def take_over(self) -> None:
        """Lose the memory; read the log again from the mark with the committed runs."""
        runs = self.window.runs()
        self.window = Window(self.low, runs)
        for offset in [offset for offset in self.records if offset >= self.low]:
            self.window.read(offset)
        self.window.read_to(self.position)

    @invariant()
    def the_mark_is_the_first_open_record(self) -> None:
        """Or the position, when everything is settled."""
        still_open = [r for r in self.records if r not in self.settled and r >= self.low]

        assert self.window.mark == min(still_open, default=self.position)

    @invariant()
    def runs_are_sorted_apart_and_hold_no_open_record(self) -> None:
        """Runs are maximal: the committed state is as small as it can be."""
        runs: list[Run] = self.window.runs()
        bounds = [bound for run in runs for bound in run]
        covered = {offset for start, end in runs for offset in range(start, end)}

        assert bounds == sorted(set(bounds))
        assert not covered & (set(self.records) - self.settled)
        assert {r for r in self.settled if r >= self.low} <= covered
        assert self.window.count == len(covered)

    @invariant()
    def settled_agrees(self) -> None:
        """Record by record."""
        for record in self.records:
            if record >= self.low:
                assert self.window.settled(record) == (record in self.settled)


WindowMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True
)
TestWindow = WindowMachine.TestCase
