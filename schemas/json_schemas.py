"""Publish the JSON Schema of every record; run as a module it writes `schemas/json`."""

from pathlib import Path

import msgspec

from schemas.api_keys import ApiKeyRecord
from schemas.attempt import AttemptRecord
from schemas.dead_letter import DeadLetterEnvelope
from schemas.delivery import DeliveryEnvelope, RetryEnvelope
from schemas.event_types import EventTypeRecord
from schemas.lane_state import FailingRecord, LaneRecord, WindowRecord
from schemas.quarantine import QuarantineRecord
from schemas.registry import SealedFields, SubscriptionRecord
from schemas.subscribers import SubscriberRecord

RECORDS: dict[str, type[msgspec.Struct]] = {
    "api_key": ApiKeyRecord,
    "attempt": AttemptRecord,
    "dead_letter": DeadLetterEnvelope,
    "delivery": DeliveryEnvelope,
    "event_type": EventTypeRecord,
    "failing": FailingRecord,
    "lane": LaneRecord,
    "quarantine": QuarantineRecord,
    "retry": RetryEnvelope,
    "sealed": SealedFields,
    "subscriber": SubscriberRecord,
    "subscription": SubscriptionRecord,
    "window": WindowRecord,
}

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def generate() -> dict[str, bytes]:
    """Return the text of each schema by record name."""
    return {name: _render(record) for name, record in RECORDS.items()}


def write(folder: Path) -> None:
    """Write all schemas into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generate().items():
        (folder / f"{name}.json").write_bytes(text)


def _render(record: type[msgspec.Struct]) -> bytes:
    schema = {"$schema": _DIALECT, **msgspec.json.schema(record)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


if __name__ == "__main__":
    write(Path(__file__).parent / "json")
