"""The commands about the vault, as they are typed."""

from click.testing import CliRunner

from hooklane.cli import commands


def test_the_command_says_what_it_does() -> None:
    """And that it may be tried without writing."""
    found = CliRunner().invoke(commands, ["vault", "reencrypt", "--help"])

    assert found.exit_code == 0
    assert "--dry-run" in found.output
    assert "HOOKLANE_VAULT__KEYS" in found.output
