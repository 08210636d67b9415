"""The command that receives webhooks on this machine."""

import click

from hooklane import surroundings
from hooklane.ending import ends, output_option
from hooklane.output import Form

PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--subscriber", required=True, help="Whose events to listen to.")
@click.option("--event-type", "event_types", multiple=True, help="As order.*; several times.")
@click.option("--filter", "filter_text", metavar="JSON", help="Only events that match it.")
@click.option("--forward-to", metavar="URL", help="Pass each delivery on, and its answer back.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=0, show_default=True, help="0 takes a free one.")
@click.option("--url", metavar="URL", help="How the gateway reaches this, when not directly.")
@click.option("--count", type=click.IntRange(1), help="End after so many accepted deliveries.")
@output_option
@ends
def listen(
    subscriber: str,
    event_types: tuple[str, ...],
    *,
    filter_text: str | None,
    forward_to: str | None,
    host: str,
    port: int,
    url: str | None,
    count: int | None,
    form: Form,
) -> int:
    """Receive webhooks here, for as long as it runs.

    Makes a subscription (HOOKLANE_URL, HOOKLANE_KEY) to a port of this machine, shows and verifies
    each delivery, and deletes the subscription at the end. The secret is that of WEBHOOK_SECRET,
    else a fresh one, which is shown. With -o json each delivery is a line.
    """
    from hooklane.listen_command import ListenOptions, parse_filter, run_listen
    from hooklane.listening import Wish

    wish = Wish(subscriber, event_types, parse_filter(filter_text))
    options = ListenOptions(wish, host, port, url, forward_to=forward_to, count=count)
    return run_listen(surroundings.environ(), options, form)
