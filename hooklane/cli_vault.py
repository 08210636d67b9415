"""The commands about the vault that seals URLs, headers and secrets in the registry."""

import click

from hooklane import surroundings
from hooklane.ending import ends, output_option
from hooklane.output import Form


@click.group()
def vault() -> None:
    """Look after the keys that seal secrets."""


@vault.command()
@click.option("--dry-run", is_flag=True, help="Count only, write nothing.")
@output_option
@ends
def reencrypt(dry_run: bool, form: Form) -> int:
    """Seal everything with the first of HOOKLANE_VAULT__KEYS, so that the others may go.

    Reads HOOKLANE_KAFKA__*, HOOKLANE_TOPICS__* and HOOKLANE_VAULT__KEYS, as a gateway does. May be
    run while gateways run, and again when it was cut off. Exit 1 when no key opens something.
    """
    from hooklane import vault_command

    return vault_command.run(surroundings.environ(), form, is_dry=dry_run)
