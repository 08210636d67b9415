"""The commands that look at what was given up, and send it again."""

from collections.abc import Callable
from typing import Any

import click

from hooklane import surroundings
from hooklane.ending import ends, output_option
from hooklane.output import Form

LIMIT_MAX = 10_000
REASONS = click.Choice(["exhausted", "expired", "aborted", "gone", "too_large"])
REASON_HELP = "Given up for this reason; too_large is reserved."
LIST_MAX = 100
AGAIN_MAX = 1_000


def _choosing(limit: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options that narrow a choice."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=limit,
                         show_default=True, help="How many at most."),
            click.option("--until", metavar="TIME", help="Before then; as --since."),
            click.option("--since", metavar="TIME", help="24h, 7d, or 2026-01-02T03:04:05Z."),
            click.option("--subscription", metavar="ID", help="Of this subscription."),
            click.option("--subscriber", metavar="NAME", help="Of this subscriber."),
        ):  # fmt: skip
            command = option(command)
        return command

    return add


@click.group("dead-letters")
def dead_letters() -> None:
    """Show deliveries that were given up, and send them again.

    Reads Kafka directly: HOOKLANE_KAFKA__… and HOOKLANE_TOPICS__… as for a service.
    """


@dead_letters.command("list")
@_choosing(LIST_MAX)
@click.option("--reason", type=REASONS, help=REASON_HELP)
@output_option
@ends
def dead_letters_list(form: Form, **wishes: Any) -> int:
    """List the newest."""
    from hooklane.dead_letters_command import Choice, run_list

    return run_list(surroundings.environ(), Choice(**wishes), form)


@dead_letters.command("show")
@click.argument("place", metavar="PARTITION/OFFSET")
@ends
def dead_letters_show(place: str) -> int:
    """Show one as JSON, with the event's data and the receiver's last answer."""
    from hooklane.dead_letters_command import run_show

    return run_show(surroundings.environ(), place)


@dead_letters.command("redrive")
@click.argument("places", nargs=-1, metavar="[PARTITION/OFFSET]…")
@_choosing(AGAIN_MAX)
@click.option("--reason", type=REASONS, help=REASON_HELP)
@click.option("--dry-run", "is_dry", is_flag=True, help="Only show what would be sent.")
@output_option
@ends
def dead_letters_redrive(form: Form, *, is_dry: bool, **wishes: Any) -> int:
    """Send some again, the oldest first, to their own subscriptions only.

    Each comes as a new delivery at the end of its lane, with the old webhook-id and
    `webhook-replay: true`. Twice redriven is twice delivered. What belongs to a deleted or disabled
    subscription is left out, and the exit code says so.
    """
    from hooklane.dead_letters_command import Choice, run_redrive

    return run_redrive(surroundings.environ(), Choice(**wishes), form, is_dry=is_dry)


@click.command()
@click.option("--subscription", metavar="ID", required=True, help="To this subscription.")
@click.option("--since", metavar="TIME", required=True, help="24h, 7d, or 2026-01-02T03:04:05Z.")
@click.option("--until", metavar="TIME", help="Before then; as --since.")
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=AGAIN_MAX, show_default=True,
    help="How many at most.",
)  # fmt: skip
@click.option("--dry-run", "is_dry", is_flag=True, help="Only show what would be sent.")
@output_option
@ends
def replay(form: Form, *, is_dry: bool, **wishes: Any) -> int:
    """Send a subscription its events once more.

    As far back as the topic `deliveries` reaches (7 days). Each comes as a new delivery at the end
    of its lane, with the old webhook-id and `webhook-replay: true`. Nothing is sent to a deleted or
    disabled subscription.
    """
    from hooklane.dead_letters_command import Choice, run_replay

    return run_replay(surroundings.environ(), Choice(**wishes), form, is_dry=is_dry)
