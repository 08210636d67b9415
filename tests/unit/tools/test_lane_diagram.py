"""The diagram in docs/ordering.md is the table the deliverer runs on."""

import pytest

from deliverer.policy.lanes import TRANSITIONS, Phase, Step
from tools.lane_diagram import BEGIN, END, PATH, WORDS, diagram, placed


def test_the_document_is_up_to_date() -> None:
    """`make generate` would change nothing."""
    document = PATH.read_text(encoding="utf-8")

    assert placed(document) == document


def test_every_step_has_words_of_its_own() -> None:
    """A step that is added to the table must be named for readers."""
    assert set(WORDS) == set(Step)
    assert len(set(WORDS.values())) == len(WORDS)


def test_every_transition_is_drawn() -> None:
    """Each row of the table is an arrow; what holds everywhere is one arrow from the frame."""
    drawn = {line.strip() for line in diagram().splitlines()}

    for (at, step), to in TRANSITIONS.items():
        from_here = f"{at} --> {to}: {WORDS[step]}"
        assert from_here in drawn or f"lane --> {to}: {WORDS[step]}" in drawn
    assert all(any(phase in line for line in drawn) for phase in Phase)


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    """A writer's text around the diagram stays; without marks nothing is guessed."""
    document = placed(f"before\n{BEGIN}old\n{END}after\n")

    assert document.startswith("before\n")
    assert document.endswith("after\n")
    assert "old" not in document
    with pytest.raises(ValueError, match="marks"):
        placed("no marks")
