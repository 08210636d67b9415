"""The command line. Each command imports what it needs when it runs: `--help` stays quick."""

import importlib
from collections.abc import Sequence

import click

from hooklane import cli_again, cli_api, cli_checks, cli_listen, cli_vault, surroundings
from hooklane.ending import ends, output_option
from hooklane.exits import FAILURE, CommandFailed
from hooklane.output import Form

PASS_ARGUMENTS = {"ignore_unknown_options": True, "help_option_names": []}
PORT = click.IntRange(0, 65535)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the entry point of the console script."""
    commands.main(args=arguments, prog_name="hooklane")


def _run_service(name: str, arguments: Sequence[str]) -> int:
    try:
        module = importlib.import_module(f"{name}.__main__")
    except ModuleNotFoundError as error:
        if error.name not in {name, f"{name}.__main__"}:
            raise
        raise CommandFailed(
            FAILURE, f"the service {name} is not part of this installation"
        ) from None
    code: int = module.main(list(arguments))
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hooklane", prog_name="hooklane", message="%(prog)s %(version)s")
def commands() -> None:
    """A webhook gateway that lives in Kafka."""


@commands.command()
@click.option("--once", is_flag=True, help="Stop after the first verified delivery (exit 0).")
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port of the API.")
@click.option("--keep", is_flag=True, help="Keep logs and Kafka's data afterwards.")
@ends
def dev(once: bool, port: int, keep: bool) -> int:
    """Run all of it here, with a Kafka of its own."""
    from hooklane.dev import stack

    options = stack.Options(once=once, port=port, keep=keep)
    return stack.run(options, surroundings.environ())


@commands.command(context_settings=PASS_ARGUMENTS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@ends
def gateway(arguments: tuple[str, ...]) -> int:
    """Run the gateway: HTTP in, management API."""
    return _run_service("gateway", arguments)


@commands.command(context_settings=PASS_ARGUMENTS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@ends
def fanout(arguments: tuple[str, ...]) -> int:
    """Run the fan-out: event to deliveries."""
    return _run_service("fanout", arguments)


@commands.command(context_settings=PASS_ARGUMENTS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@ends
def deliverer(arguments: tuple[str, ...]) -> int:
    """Run the deliverer: signed POSTs, in order."""
    return _run_service("deliverer", arguments)


@commands.group()
def topics() -> None:
    """Show or create the Kafka topics."""


@topics.command("plan")
@output_option
@ends
def topics_plan(form: Form) -> int:
    """Show what is missing or differs; exit 1 on what `apply` would not mend."""
    from hooklane import topics_command

    return topics_command.run_plan(surroundings.environ(), form)


@topics.command("apply")
@click.option("--wait", is_flag=True, help="Wait up to 5 minutes for the brokers.")
@output_option
@ends
def topics_apply(wait: bool, form: Form) -> int:
    """Create what is missing, change nothing; exit 1 if a service would refuse the rest."""
    from hooklane import topics_command

    return topics_command.run_apply(surroundings.environ(), form, is_waiting=wait)


@commands.command(hidden=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8090, show_default=True)
@click.option("--secret", help="whsec_… of the subscription; without it nothing is verified.")
@ends
def receiver(host: str, port: int, secret: str | None) -> int:
    """Receive webhooks and show them."""
    from hooklane import receiver_command

    return receiver_command.run(host, port, secret)


for command in (
    cli_api.events,
    cli_api.subscriptions,
    cli_api.keys,
    cli_again.dead_letters,
    cli_again.replay,
    cli_checks.check_producer,
    cli_checks.doctor,
    cli_checks.verify,
    cli_listen.listen,
    cli_vault.vault,
):
    commands.add_command(command)
