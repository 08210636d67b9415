"""The command `listen`, as it is typed."""

import pytest
from click.testing import CliRunner

from hooklane import cli


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--subscriber"),
        (["--subscriber", "acme", "--count", "0"], 2, "--count"),
        (["--subscriber", "acme", "--filter", "{"], 4, "--filter is not JSON"),
        (["--subscriber", "acme"], 4, "HOOKLANE_URL and HOOKLANE_KEY not set"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], code: int, said: str) -> None:
    """Usage is 2, a wrong value or surroundings 4."""
    environment = {"HOOKLANE_URL": "", "HOOKLANE_KEY": ""}

    done = CliRunner().invoke(cli.commands, ["listen", *arguments], env=environment)

    assert done.exit_code == code
    assert said in done.output
