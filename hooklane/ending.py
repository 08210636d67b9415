"""How every command ends: its result or error becomes the exit code and one clear line."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from hooklane.exits import INTERRUPTED, CommandFailed

P = ParamSpec("P")
FORM = click.Choice(["table", "json"])
output_option = click.option(
    "-o", "--output", "form", type=FORM, default="table", show_default=True, help="What to print."
)


def ends(command: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's result or CommandFailed into the exit code, its line into stderr."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except CommandFailed as error:
            click.echo(f"hooklane: {error}", err=True)
            code = error.code
        except KeyboardInterrupt:
            code = INTERRUPTED
        sys.exit(code)

    return run
