"""Tests of the window: low mark, finished runs, gaps."""

from deliverer.policy.window import Window


def test_the_mark_stays_at_the_first_unsettled_offset() -> None:
    """Settling behind an open offset makes a run and does not move the mark."""
    window = Window(5)
    for offset in (5, 6, 7):
        window.read(offset)

    window.add(6)

    assert (window.mark, window.runs()) == (5, [(6, 7)])


def test_settling_in_order_moves_the_mark() -> None:
    """Adjacent offsets grow one run, and the mark is its end."""
    window = Window(5)
    for offset in (5, 6, 7):
        window.read(offset)

    window.add(6)
    window.add(5)

    assert (window.mark, window.runs()) == (7, [(5, 7)])


def test_a_gap_belongs_to_the_record_before_it() -> None:
    """A settled record takes the markers behind it along, whenever they become known."""
    window = Window(0)
    window.read(0)
    window.add(0)
    window.read(3)
    window.read_to(6)

    known_after = window.mark
    window.add(3)

    assert (known_after, window.mark) == (3, 6)


def test_a_gap_behind_an_open_record_is_no_run() -> None:
    """Markers between open records cost nothing in the committed state."""
    window = Window(0)
    for offset in (0, 2, 4):
        window.read(offset)

    assert window.runs() == []


def test_a_log_that_begins_with_markers_is_settled_up_to_the_first_record() -> None:
    """A position that moved without records is committed, else lag never shows zero."""
    window = Window(0)

    window.read_to(3)

    assert window.mark == 3


def test_settled_answers_for_runs_only() -> None:
    """Below the low mark nothing is known, above it the runs decide."""
    window = Window(10, [(5, 12), (14, 15)])

    assert [offset for offset in range(9, 17) if window.settled(offset)] == [10, 11, 14]


def test_advance_forgets_and_cuts() -> None:
    """Runs below the new mark go, one across it is cut."""
    window = Window(0, [(1, 3), (5, 9)])

    window.advance(6)
    window.advance(2)

    assert (window.low, window.runs(), window.position) == (6, [(6, 9)], 6)


def test_advance_into_a_gap_keeps_its_rest() -> None:
    """A mark raised into a gap does not leave an offset that nobody will settle."""
    window = Window(0)
    window.read(0)
    window.read(5)

    window.advance(3)

    assert window.mark == 5


def test_runs_can_be_cut_at_a_higher_mark() -> None:
    """A tick writes the runs at or above the mark it commits."""
    window = Window(0, [(0, 4), (6, 8)])

    assert window.runs(3) == [(3, 4), (6, 8)]
    assert window.runs(4) == [(6, 8)]
    assert window.count == 6


def test_an_offset_below_the_mark_is_ignored() -> None:
    """What was committed as settled stays so."""
    window = Window(5)

    window.add(4)

    assert window.runs() == []


def test_a_gap_may_become_known_in_pieces() -> None:
    """Two polls can end between two markers; the record before takes both along."""
    window = Window(0)
    window.read(0)
    window.read_to(2)
    window.read(3)

    window.add(0)

    assert window.mark == 3
