"""Tests of what is known of a record by the names of its headers."""

import pytest

from schemas.header_layout import Layout, Layouts, http_name_of


@pytest.mark.parametrize(
    ("record_name", "http_name"),
    [
        ("ce_id", "ce-id"),
        ("ce_orderingkey", "ce-orderingkey"),
        ("ce_subscriber", None),
        ("ce_Id", None),
        ("ce_a b", None),
        ("ce_", None),
        ("traceparent", None),
        ("delivery", None),
    ],
)
def test_only_attributes_are_shown(record_name: str, http_name: str | None) -> None:
    """The subscriber is between its name and us."""
    assert http_name_of(record_name) == http_name


def test_a_layout_tells_the_lines_and_where_their_values_are() -> None:
    """In the order of the record, with repetitions; of the hops the first counts."""
    names = ("delivery", "ce_id", "content-type", "hooklane_hops", "ce_id", "hooklane_hops")
    layout = Layout(names)

    assert layout.lines == b"ce-id: %b\r\ncontent-type: %b\r\nce-id: %b\r\n"
    assert layout.shown is not None
    assert layout.attributes is not None
    values = (b"0", b"1", b"2", b"3", b"4", b"5")
    assert layout.shown(values) == (b"1", b"2", b"4")
    assert layout.attributes(values) == (b"1", b"4")
    assert (layout.content_type, layout.hops) == (2, 3)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("ce_id", "delivery", "content-type"),
        ("ce_id", "ce_type", "content-type", "content-type"),
    ],
)
def test_what_is_rare_has_no_template(names: tuple[str, ...]) -> None:
    """One value is no tuple of values; of two content types one may be wrong."""
    layout = Layout(names)

    assert layout.shown is None
    assert layout.attributes is None


def test_layouts_are_made_once() -> None:
    """By their names, in their order."""
    layouts = Layouts()

    assert layouts["ce_id", "ce_type"] is layouts["ce_id", "ce_type"]
    assert layouts["ce_id", "ce_type"] is not layouts["ce_type", "ce_id"]


@pytest.mark.parametrize("names", [("ce_a",) * 33, ("ce_" + "a" * 1022,)])
def test_long_names_are_not_kept(names: tuple[str, ...]) -> None:
    """A stranger must not fill the memory."""
    layouts = Layouts()

    assert layouts[names].names == names
    assert not layouts


def test_the_number_of_layouts_is_bounded() -> None:
    """Whoever makes up names takes the others' place only for a moment."""
    layouts = Layouts()
    for number in range(1_024):
        assert layouts[f"ce_{number}",].lines
    found = layouts["ce_x",]

    assert len(layouts) == 1
    assert layouts["ce_x",] is found
