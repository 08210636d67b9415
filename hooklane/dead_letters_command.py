"""`hooklane dead-letters` and `replay`: what was given up or delivered, and how it comes again."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from chassis import kafka
from chassis.clock import SystemClock
from chassis.kafka import KafkaUnavailable, Record
from chassis.kafka_seam import Fetched
from chassis.settings import KafkaSettings
from hooklane.exits import FAILURE, NETWORK, NOT_FOUND, OK, USAGE, CommandFailed
from hooklane.output import Form, render, report
from hooklane.recipients import Refusal, read_recipients, refusal_of
from hooklane.record_tail import Place, read_tail
from hooklane.sending_again import Again, event_again, parse_moment
from hooklane.topic_scan import Scan, scan
from hooklane.topics_command import TopicsCommandSettings, read_settings
from schemas.dead_letter import DeadLetterEnvelope, decode_dead_letter
from schemas.delivery import DeliveryEnvelope, decode_delivery
from schemas.rfc3339 import parse_ms
from schemas.topics import topic_name

T = TypeVar("T")

CLIENT_ID: Final = "hooklane-redrive"
COLUMNS: Final = ("place", "dead_at", "subscriber", "subscription", "type", "reason", "status")
AGAIN_COLUMNS: Final = ("place", "subscription", "webhook_id")

_USED_UP: Final = (
    "; what was left out counts, too: narrow with --subscription or --since, or raise --limit"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which ones: each wish narrows the choice."""

    subscriber: str | None = None
    subscription: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    places: Sequence[str] = ()
    limit: int = 100

    @property
    def is_narrow(self) -> bool:
        """Tell whether somebody has said what they want."""
        wishes = (self.subscriber, self.subscription, self.reason, self.since, self.until)
        return any(wishes) or bool(self.places)

    def span(self, now_ms: int) -> tuple[int, int]:
        """Return from when until when; raises CommandFailed on what is no time."""
        return _moment(self.since, now_ms, 0), _moment(self.until, now_ms, 1 << 62)

    def wants(self, subscriber: bytes | None, subscription: str, reason: str | None) -> bool:
        """Judge what is not a time or a place."""
        if self.subscriber is not None and subscriber != self.subscriber.encode():
            return False
        if self.subscription is not None and subscription != self.subscription:
            return False
        return self.reason is None or reason == self.reason


def run_list(variables: Mapping[str, str], choice: Choice, form: Form) -> int:
    """Show the newest."""
    settings = read_settings(variables)
    since_ms, until_ms = choice.span(SystemClock().now_ms())

    def keep(record: Fetched) -> dict[str, object] | None:
        letter = _wanted_letter(record, choice, until_ms)
        return None if letter is None else _row(record, letter)

    wanted = _scan(settings, "dead-letters", keep, choice, since_ms=since_ms)
    rows = asyncio.run(scan(settings.kafka, wanted))
    rows.sort(key=lambda row: str(row["dead_at"]), reverse=True)
    rows = rows[: choice.limit]
    if rows or form == "json":
        print(render(rows, COLUMNS, form))
    if not rows:
        report("no dead letter like that")
    return OK


def run_show(variables: Mapping[str, str], place: str) -> int:
    """Show one with all that is known, its data too."""
    settings = read_settings(variables)
    partition, offset = _place(place)
    topic = topic_name(settings.topics.prefix, "dead-letters")
    tail = asyncio.run(read_tail(settings.kafka, topic, count=1, place=Place(partition, offset)))
    found = [one for one in tail.samples if one.offset == offset]
    letter = decode_dead_letter(found[0].headers) if found else None
    if letter is None:
        raise CommandFailed(NOT_FOUND, f"there is no dead letter at {place}")
    attributes = {
        name: value.decode("utf-8", "replace")
        for name, value in found[0].headers
        if name.startswith("ce_") or name == "content-type"
    }
    data = found[0].value
    shown = _described(letter) | {
        "attributes": attributes,
        "data": None if data is None else data.decode("utf-8", "replace"),
    }
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    return OK


def run_redrive(variables: Mapping[str, str], choice: Choice, form: Form, *, is_dry: bool) -> int:
    """Send dead letters again, in the order in which they were given up."""
    if not choice.is_narrow:
        raise CommandFailed(USAGE, "say which ones: places, --subscription, --since …")
    settings = read_settings(variables)
    since_ms, until_ms = choice.span(SystemClock().now_ms())
    places = {_place(one) for one in choice.places}

    def keep(record: Fetched) -> Again | None:
        if places and (record.partition, record.offset) not in places:
            return None
        letter = _wanted_letter(record, choice, until_ms)
        if letter is None:
            return None
        came_at = parse_ms(letter.dead_at) or record.timestamp
        return _again(settings, record, letter, came_at)

    wanted = _scan(settings, "dead-letters", keep, choice, since_ms=since_ms, is_newest=False)
    return _send_again(settings, wanted, form, is_dry=is_dry)


def run_replay(variables: Mapping[str, str], choice: Choice, form: Form, *, is_dry: bool) -> int:
    """Send again what a subscription was to get in a span of time, whatever became of it."""
    settings = read_settings(variables)
    since_ms, until_ms = choice.span(SystemClock().now_ms())

    def keep(record: Fetched) -> Again | None:
        envelope = decode_delivery(record.headers)
        if not isinstance(envelope, DeliveryEnvelope) or envelope.kind != "first":
            return None
        is_wanted = choice.wants(record.key, envelope.subscription, None)
        if not is_wanted or not since_ms <= envelope.accepted_at < until_ms:
            return None
        return _again(settings, record, envelope, envelope.accepted_at)

    wanted = _scan(settings, "deliveries", keep, choice, since_ms=since_ms, is_newest=False)
    return _send_again(settings, wanted, form, is_dry=is_dry)


def _send_again(
    settings: TopicsCommandSettings, wanted: Scan[Again], form: Form, *, is_dry: bool
) -> int:
    """Send what has somebody to get it; the code tells the first that has not."""
    found = asyncio.run(scan(settings.kafka, wanted))
    found.sort(key=lambda one: one.came_at)
    judged = asyncio.run(_judge(settings, found[: wanted.keep_max]))
    chosen = [one for one, refusal in judged if refusal is None]
    left_out = [refusal for _, refusal in judged if refusal is not None]
    if not is_dry and chosen:
        asyncio.run(_produce(settings.kafka, [one.record for one in chosen]))
    if chosen or form == "json":
        print(render([_again_row(one) for one in chosen], AGAIN_COLUMNS, form))
    report(f"{len(chosen)} {'would be ' if is_dry else ''}sent again")
    for refusal, count in Counter(left_out).items():
        report(f"{count} left out: {refusal.text}")
    if len(found) >= wanted.keep_max:
        report("there may be more: the limit is reached" + (_USED_UP if left_out else ""))
    if left_out:
        return left_out[0].code
    return OK if chosen else NOT_FOUND


async def _judge(
    settings: TopicsCommandSettings, chosen: Sequence[Again]
) -> list[tuple[Again, Refusal | None]]:
    """Ask the registry who would get each; all topics have a subscriber in the same partition."""
    if not chosen:
        return []
    topic = topic_name(settings.topics.prefix, "registry")
    keys = {one.address for one in chosen}
    partitions = {one.record.partition for one in chosen}
    records = await read_recipients(settings.kafka, topic, keys, partitions)
    return [(one, refusal_of(one.subscription, records.get(one.address))) for one in chosen]


def _again_row(one: Again) -> dict[str, object]:
    place = f"{one.place[0]}/{one.place[1]}"
    return {"place": place, "subscription": one.subscription, "webhook_id": one.webhook_id}


async def _produce(settings: KafkaSettings, records: Sequence[Record]) -> None:
    servers = ",".join(settings.bootstrap_servers)
    producer = kafka.producer(settings, client_id=CLIENT_ID)
    try:
        await kafka.start(producer)
        await kafka.produce(producer, records)
    except KafkaUnavailable as error:
        raise CommandFailed(NETWORK, f"no Kafka at {servers}; nothing was sent") from error
    except Exception as error:
        if not kafka.is_fault(error):
            raise
        text = f"not all of it may have been sent: {type(error).__name__}; a repeat is harmless"
        raise CommandFailed(FAILURE, text) from error
    finally:
        await kafka.retire(producer)


def _scan(
    settings: TopicsCommandSettings,
    suffix: str,
    keep: Callable[[Fetched], T | None],
    choice: Choice,
    *,
    since_ms: int,
    is_newest: bool = True,
) -> Scan[T]:
    return Scan(
        topic_name(settings.topics.prefix, suffix),
        keep,
        choice.limit,
        since_ms=since_ms,
        is_newest=is_newest,
    )


def _again(
    settings: TopicsCommandSettings,
    record: Fetched,
    of: DeadLetterEnvelope | DeliveryEnvelope,
    came_at: int,
) -> Again | None:
    topic = topic_name(settings.topics.prefix, "events")
    event = event_again(record, subscription=of.subscription, topic=topic)
    if event is None:
        return None
    place = (record.partition, record.offset)
    return Again(event, of.subscription, of.webhook_id, came_at, place)


def _wanted_letter(record: Fetched, choice: Choice, until_ms: int) -> DeadLetterEnvelope | None:
    letter = decode_dead_letter(record.headers)
    if letter is None or record.timestamp >= until_ms:
        return None
    return letter if choice.wants(record.key, letter.subscription, letter.reason.value) else None


def _row(record: Fetched, letter: DeadLetterEnvelope) -> dict[str, object]:
    status = letter.last_status or (letter.last_outcome and letter.last_outcome.value)
    place = {"place": f"{record.partition}/{record.offset}", "status": status or ""}
    return place | _described(letter)


def _described(letter: DeadLetterEnvelope) -> dict[str, object]:
    described: dict[str, object] = msgspec.to_builtins(letter)
    return described


def _place(text: str) -> tuple[int, int]:
    partition, slash, offset = text.partition("/")
    if not slash or not partition.isdecimal() or not offset.isdecimal():
        raise CommandFailed(USAGE, f"{text} is no place; `dead-letters list` shows them as 3/141")
    return int(partition), int(offset)


def _moment(text: str | None, now_ms: int, default: int) -> int:
    if text is None:
        return default
    moment = parse_moment(text, now_ms)
    if moment is None:
        raise CommandFailed(USAGE, f"{text} is no time: give 24h, 7d or 2026-01-02T03:04:05Z")
    return moment
