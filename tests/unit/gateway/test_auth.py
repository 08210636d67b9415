"""Bearer keys."""

import pytest

from gateway.auth import ROOT, Keyring

KEY = "k" * 40


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY} "])
def test_the_root_key_opens(header: str) -> None:
    """Schemes ignore case, blanks around the key do not matter."""
    assert Keyring(KEY).principal_of(header) is ROOT


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY} {KEY}",
        f"Bearer {KEY.upper()}",
        "Bearer \udcff\udcfe",
        "Bearer kéy",
        f"Bearer {'k' * 100_000}",
    ],
)
def test_nothing_else_opens(header: str | None) -> None:
    """Broken, short, long and foreign keys are all just no key."""
    assert Keyring(KEY).principal_of(header) is None
