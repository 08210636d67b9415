"""`hooklane check-producer`: read records of `events` back and tell whether each is in order."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from hooklane.exits import FAILURE, NOT_FOUND, OK, USAGE, CommandFailed
from hooklane.output import Form, render, report
from hooklane.producer_check import Finding, Sample, examine, is_kept
from hooklane.record_tail import Place, read_tail
from hooklane.topics_command import read_settings
from schemas.topics import topic_name

LAST_MAX: Final = 1_000
COLUMNS: Final = ("partition", "offset", "key", "type", "verdict")
_SHOWN_KEY_CHARS: Final = 40


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Which records: the last ones, those from a place on, or only those of one key."""

    last: int
    partition: int | None = None
    offset: int | None = None
    key: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A record and what the checks say of it."""

    sample: Sample
    findings: Sequence[Finding]

    @property
    def row(self) -> dict[str, object]:
        """What a table shows; JSON gets the findings too."""
        return {
            "partition": self.sample.partition,
            "offset": self.sample.offset,
            "key": _shown(self.sample.key),
            "type": _type_of(self.sample),
            "verdict": "ok" if is_kept(self.findings) else "BROKEN",
            "findings": [asdict(one) for one in self.findings],
        }


def run_check(variables: Mapping[str, str], options: CheckOptions, form: Form) -> int:
    """Check and show; exit 1 when a record breaks the contract, 3 when there is none."""
    settings = read_settings(variables)
    topic = options.topic or topic_name(settings.topics.prefix, "events")
    if options.offset is not None and options.partition is None:
        raise CommandFailed(USAGE, "--offset needs --partition")
    place = None if options.partition is None else Place(options.partition, options.offset)
    count = LAST_MAX if options.key is not None else options.last
    tail = asyncio.run(read_tail(settings.kafka, topic, count=count, place=place))
    wanted = tail.samples
    if options.key is not None:
        wanted = [one for one in wanted if one.key == options.key.encode()][-options.last :]
    if not wanted:
        raise CommandFailed(NOT_FOUND, f"no such record in {topic}")
    checked = [Checked(one, examine(one, tail.partitions)) for one in wanted]
    print(_text(checked, form))
    broken = sum(not is_kept(one.findings) for one in checked)
    report(f"{topic}, {tail.partitions} partitions: {len(checked)} checked, {broken} broken")
    return FAILURE if broken else OK


def _text(checked: Sequence[Checked], form: Form) -> str:
    rows = [one.row for one in checked]
    if form == "json":
        return json.dumps(rows, indent=2, ensure_ascii=False)
    lines = render(rows, COLUMNS, form).splitlines()
    shown = lines[:1]
    for line, one in zip(lines[1:], checked, strict=True):
        shown.append(line)
        for finding in one.findings:
            if finding.result == "broken":
                shown.append(f"  {finding.check}: {finding.detail}")
                shown += [f"    -> {finding.remedy}"] if finding.remedy else []
    return "\n".join(shown)


def _shown(key: bytes | None) -> str:
    if key is None:
        return "(none)"
    text = key.decode("utf-8", "backslashreplace")
    return (
        ascii(text)[1:-1][:_SHOWN_KEY_CHARS] if not text.isprintable() else text[:_SHOWN_KEY_CHARS]
    )


def _type_of(sample: Sample) -> str:
    for name, value in sample.headers:
        if name.lower() == "ce_type" and value is not None:
            return ascii(value.decode("utf-8", "replace"))[1:-1][:_SHOWN_KEY_CHARS]
    return ""
