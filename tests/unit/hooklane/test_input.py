"""Reading what a person names."""

from pathlib import Path

import pytest

from hooklane.exits import INVALID, CommandFailed
from hooklane.input import read_input


def test_a_file_is_read_as_bytes(tmp_path: Path) -> None:
    """Nothing is decoded on the way."""
    file = tmp_path / "f"
    file.write_bytes(b"\xff\r\n")

    assert read_input(str(file)) == b"\xff\r\n"


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    """One line, exit 4."""
    with pytest.raises(CommandFailed, match="cannot read") as caught:
        read_input(str(tmp_path / name))

    assert caught.value.code == INVALID


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """The bound holds to the byte."""
    file = tmp_path / "f"
    file.write_bytes(b"12345")

    assert read_input(str(file), bytes_max=5) == b"12345"
    with pytest.raises(CommandFailed, match="above 4 bytes"):
        read_input(str(file), bytes_max=4)
