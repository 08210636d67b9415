"""The commands that talk to the gateway's API: events, subscriptions, keys."""

from typing import Final

import click

from hooklane import surroundings
from hooklane.ending import ends, output_option
from hooklane.output import Form

_FIELDS: Final = ("subscriber", "type", "id", "source", "time", "subject", "ordering_key")
_SCOPE_NAMES: Final = (
    "events:write", "subscriptions:read", "subscriptions:write",
    "deliveries:read", "replay", "admin",
)  # fmt: skip


@click.group()
def events() -> None:
    """Send events (HOOKLANE_URL, HOOKLANE_KEY)."""


@events.command("send")
@click.option("--subscriber", help="For whom the event is.")
@click.option("--type", "type_", help="What happened, as order.paid.")
@click.option("--data", help="JSON; a text needs quotes of its own.")
@click.option("--data-file", metavar="FILE", help="JSON from a file; - is standard input.")
@click.option("--id", "id_", help="Identity within the source; the gateway makes one otherwise.")
@click.option("--source", help="Where it happened, as /shop.")
@click.option("--time", help="When, RFC 3339.")
@click.option("--subject", help="About what, as order/17.")
@click.option("--ordering-key", help="Keep order per this key, not per subscription.")
@click.option(
    "--file",
    "-f",
    metavar="FILE",
    help="Whole events: one JSON object, an array, or one a line; - is standard input.",
)
@click.option("--idempotency-key", help="Sent again with the same key: delivered once.")
@output_option
@ends
def events_send(form: Form, **given: str | None) -> int:
    """Send one event, or many from a file."""
    from hooklane.events_command import SendOptions, run_send

    named = {"type": given.pop("type_"), "id": given.pop("id_"), **given}
    fields = {name: value for name in _FIELDS if (value := named.get(name)) is not None}
    options = SendOptions(
        fields=fields,
        data=given["data"],
        data_file=given["data_file"],
        file=given["file"],
        idempotency_key=given["idempotency_key"],
    )
    return run_send(surroundings.environ(), options, form)


@click.group()
def subscriptions() -> None:
    """Show subscriptions, or keep them in git."""


@subscriptions.command("list")
@click.option("--subscriber", help="Only this one's.")
@output_option
@ends
def subscriptions_list(subscriber: str | None, form: Form) -> int:
    """Show subscriptions: the newest subscriber first, and its newest."""
    from hooklane import subscriptions_command

    return subscriptions_command.run_list(surroundings.environ(), subscriber, form)


@subscriptions.command("apply")
@click.option("-f", "--file", "file", required=True, metavar="FILE", help="YAML; - is stdin.")
@click.option("--prune", is_flag=True, help="Delete what this owner's file no longer has.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@output_option
@ends
def subscriptions_apply(file: str, prune: bool, dry_run: bool, form: Form) -> int:
    """Make the gateway have what a file says."""
    from hooklane import subscriptions_command

    options = subscriptions_command.ApplyOptions(file, is_pruning=prune, is_dry=dry_run)
    return subscriptions_command.run_apply(surroundings.environ(), options, form)


@click.group()
def keys() -> None:
    """Make, show and revoke API keys."""


@keys.command("create")
@click.option("--name", required=True, help="What the key is for.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(_SCOPE_NAMES),
    help="What it may do; several times for several. deliveries:read and replay are reserved.",
)  # fmt: skip
@click.option("--subscriber", help="Bind it to one subscriber: it sees nothing else.")
@click.option("--expires-at", help="RFC 3339; never, when not given.")
@click.option("--events-per-second", type=float, help="Quota of this key, per gateway process.")
@click.option("--burst", type=int, help="How many events may come at once.")
@output_option
@ends
def keys_create(
    name: str,
    scopes: tuple[str, ...],
    *,
    subscriber: str | None,
    expires_at: str | None,
    events_per_second: float | None,
    burst: int | None,
    form: Form,
) -> int:
    """Make a key; stdout has it, this once."""
    from hooklane import keys_command

    options = keys_command.KeyOptions(
        name, scopes, subscriber, expires_at, events_per_second=events_per_second, burst=burst
    )
    return keys_command.run_create(surroundings.environ(), options, form)


@keys.command("list")
@output_option
@ends
def keys_list(form: Form) -> int:
    """Show keys, never what they are."""
    from hooklane import keys_command

    return keys_command.run_list(surroundings.environ(), form)


@keys.command("revoke")
@click.argument("key_ids", nargs=-1, required=True, metavar="KEY_ID...")
@ends
def keys_revoke(key_ids: tuple[str, ...]) -> int:
    """Revoke keys; holds everywhere within 2 s."""
    from hooklane import keys_command

    return keys_command.run_revoke(surroundings.environ(), key_ids)
