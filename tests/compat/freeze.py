"""Freeze what today's writers write: `python -m tests.compat.freeze 0.1`, once per minor version.

Each topic becomes `golden/<version>/<topic>.json`: its records with key, headers and value as text.
A frozen version is never written again: it is what clusters out there hold. `tests/compat` keeps
the versions that this one must work beside: its own and the one before.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import orjson

from chassis.kafka import Record
from tests.compat.writers import everything

GOLDEN = Path(__file__).parent / "golden"


class Frozen(NamedTuple):
    """One frozen record."""

    version: str
    topic: str
    record: Record


def freeze(version: str, folder: Path = GOLDEN) -> None:
    """Write all records of today; FileExistsError when that version was frozen before."""
    place = folder / version
    place.mkdir(parents=True)
    for topic, records in everything().items():
        text = orjson.dumps([_document(one) for one in records], option=orjson.OPT_INDENT_2)
        (place / f"{topic}.json").write_bytes(text + b"\n")


def thaw(folder: Path = GOLDEN) -> list[Frozen]:
    """Read every frozen record of every version."""
    return [
        Frozen(file.parent.name, file.stem, _record(file.stem, document))
        for file in sorted(folder.glob("*/*.json"))
        for document in orjson.loads(file.read_bytes())
    ]


def _document(record: Record) -> dict[str, object]:
    return {
        "key": None if record.key is None else record.key.decode(),
        "headers": [[name, value.decode()] for name, value in record.headers],
        "value": None if record.value is None else record.value.decode(),
    }


def _record(topic: str, document: dict[str, object]) -> Record:
    key, value, headers = document["key"], document["value"], document["headers"]
    assert isinstance(headers, list)
    return Record(
        f"hooklane.{topic}",
        0,
        None if key is None else str(key).encode(),
        None if value is None else str(value).encode(),
        [(name, text.encode()) for name, text in headers],
    )


if __name__ == "__main__":
    freeze(sys.argv[1])
