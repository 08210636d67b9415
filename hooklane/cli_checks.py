"""The commands that look at what others made: a record in Kafka, a webhook that came in."""

import click

from hooklane import surroundings
from hooklane.ending import ends, output_option
from hooklane.output import Form

LAST_MAX = 1_000
LAST_DEFAULT = 10


@click.command("check-producer")
@click.option(
    "--last", type=click.IntRange(1, LAST_MAX), default=LAST_DEFAULT, show_default=True,
    help="How many of the latest records.",
)  # fmt: skip
@click.option("--key", help="Only records of this subscriber (among the last 1,000).")
@click.option("--partition", type=click.IntRange(0), help="Only this partition.")
@click.option("--offset", type=click.IntRange(0), help="From this offset on, with --partition.")
@click.option("--topic", help="Another topic than <prefix>.events.")
@output_option
@ends
def check_producer(
    last: int,
    key: str | None,
    *,
    partition: int | None,
    offset: int | None,
    topic: str | None,
    form: Form,
) -> int:
    """Tell whether records in `events` keep the contract."""
    from hooklane.check_producer_command import CheckOptions, run_check

    count = 1 if offset is not None and last == LAST_DEFAULT else last
    options = CheckOptions(count, partition, offset, key, topic=topic)
    return run_check(surroundings.environ(), options, form)


@click.command()
@click.option(
    "--service", "services", multiple=True,
    type=click.Choice(["gateway", "fanout", "deliverer"]),
    help="Look at this one; several times. Else at all that are set up here.",
)  # fmt: skip
@click.option(
    "--admin", "admin_urls", multiple=True, metavar="URL",
    help="Ask the readiness at http://HOST:PORT instead of here; several times.",
)  # fmt: skip
@click.option("--json", "is_json", is_flag=True, help="The same as -o json.")
@output_option
@ends
def doctor(
    services: tuple[str, ...], admin_urls: tuple[str, ...], *, is_json: bool, form: Form
) -> int:
    """Examine an installation, and say what to do.

    Reads the variables of a service; run it in its pod, or anywhere with the same variables.
    Changes nothing.
    """
    from hooklane.doctor.examination import Wishes
    from hooklane.doctor_command import run_doctor

    wishes = Wishes(services, admin_urls)
    return run_doctor(surroundings.environ(), wishes, "json" if is_json else form)


@click.command()
@click.argument("request_file", required=False, metavar="[REQUEST]")
@click.option("-H", "--header", multiple=True, help="A header as `name: value`; several times.")
@click.option("--headers", "headers_file", metavar="FILE", help="Header lines, or JSON.")
@click.option("--body", "body_file", metavar="FILE", help="The raw body; - is standard input.")
@click.option("--secret-file", metavar="FILE", help="Instead of WEBHOOK_SECRET or the prompt.")
@click.option("--now", "now_s", type=int, help="Epoch seconds, to check an old capture.")
@output_option
@ends
def verify(
    request_file: str | None,
    header: tuple[str, ...],
    *,
    headers_file: str | None,
    body_file: str | None,
    secret_file: str | None,
    now_s: int | None,
    form: Form,
) -> int:
    """Say which step of a webhook's verification fails.

    REQUEST is a file with header lines, an empty line and the body (standard input when left
    out); or give headers and body apart. The secret comes from WEBHOOK_SECRET, --secret-file or a
    prompt, never from an argument.
    """
    from hooklane.verify_command import VerifyOptions, run_verify

    options = VerifyOptions(
        header, headers_file, body_file, request_file, secret_file=secret_file, now_s=now_s
    )
    return run_verify(surroundings.environ(), options, form)
