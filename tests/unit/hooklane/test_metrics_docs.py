"""docs/metrics.md says what the services show."""

from hooklane import metrics_docs
from hooklane.instruments import SERVICES, instruments_of


def test_the_document_is_up_to_date() -> None:
    """Fails when an instrument changed and `make generate` was not run."""
    assert metrics_docs.PATH.read_text(encoding="utf-8") == metrics_docs.render()


def test_every_instrument_has_its_row_and_its_meaning() -> None:
    """In the section of its service, with type, labels and number of series."""
    sections = metrics_docs.render().split("\n## ")[1:]
    for service in SERVICES:
        [section] = [one for one in sections if one.startswith(f"{service}\n")]
        for one in instruments_of(service):
            [row] = [line for line in section.splitlines() if line.startswith(f"| `{one.name}` |")]
            assert one.meaning in row
            assert f"| {one.kind} |" in row
            assert f"| {one.series} |" in row
            assert all(f"`{label}`" in row for label in one.labels)


def test_long_label_sets_are_told_once() -> None:
    """Every outcome is named, below the tables."""
    text = metrics_docs.render()

    assert text.count("delivered http_3xx") == 1
    assert "connection_lost" in text
