"""How commands end."""

import pytest

from hooklane.ending import ends
from hooklane.exits import NETWORK, CommandFailed


@pytest.mark.parametrize("code", [0, 1, 4])
def test_a_result_is_the_exit_code(code: int) -> None:
    """Whatever a command returns."""
    with pytest.raises(SystemExit) as caught:
        ends(lambda: code)()

    assert caught.value.code == code


def test_a_failure_is_one_line_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, so that stdout stays what was asked for."""

    def fails() -> int:
        raise CommandFailed(NETWORK, "gone")

    with pytest.raises(SystemExit) as caught:
        ends(fails)()

    assert caught.value.code == NETWORK
    assert capsys.readouterr() == ("", "hooklane: gone\n")
