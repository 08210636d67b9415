"""The table of settings that the documentation shows."""

from typing import Literal

from pydantic import Field, SecretStr

from chassis.settings import CommaList, Section, ServiceSettings
from chassis.settings_docs import render


class ShopSettings(Section):
    """A section with one of each."""

    root_key: SecretStr = Field(min_length=32, description="Key.")
    names: CommaList = Field(default=("a", "b"), max_length=9, description="Names.")
    is_open: bool = Field(default=False, description="Open | closed.")
    limit: int | None = Field(default=None, ge=1, description="Limit.")
    kind: Literal["x", "y"] = Field(default="x", description="Kind.")


class Shop(ServiceSettings):
    """A service."""

    shop: ShopSettings


def test_each_variable_has_one_line_with_all_it_takes() -> None:
    """Name, type with bounds, default and meaning."""
    table = render(Shop).splitlines()

    assert table[-5:] == [
        "| `HOOKLANE_SHOP__ROOT_KEY` | secret, length ≥ 32 | **required** | Key. |",
        "| `HOOKLANE_SHOP__NAMES` | list of text, comma-separated, length ≤ 9 | `a,b` | Names. |",
        "| `HOOKLANE_SHOP__IS_OPEN` | `true` or `false` | `false` | Open \\| closed. |",
        "| `HOOKLANE_SHOP__LIMIT` | whole number, ≥ 1 | none | Limit. |",
        "| `HOOKLANE_SHOP__KIND` | `x`, `y` | `x` | Kind. |",
    ]


def test_the_shared_sections_are_in_the_table() -> None:
    """A reader of one service's table needs no second one."""
    table = render(Shop)

    assert "| `HOOKLANE_TOPICS__PARTITIONS` | whole number, ≥ 1, ≤ 1000 | `12` |" in table
    assert "| `HOOKLANE_KAFKA__SSL_CAFILE` | path | none |" in table
    assert "| `HOOKLANE_LIFECYCLE__SHUTDOWN_S` | number, > 0, ≤ 3600 | `25.0` |" in table
