"""Who would get what is sent again: subscriptions as the registry has them now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chassis.kafka_seam import Fetched
from chassis.settings import KafkaSettings
from hooklane.exits import INVALID, NOT_FOUND
from hooklane.topic_scan import Scan, scan
from schemas.registry import SubscriptionRecord, decode_subscription


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing would arrive, and the exit code of that."""

    code: int
    text: str


def refusal_of(subscription: str, record: SubscriptionRecord | None) -> Refusal | None:
    """Judge one; a paused one keeps what comes until it is resumed."""
    if record is None:
        return Refusal(NOT_FOUND, f"{subscription} is not known")
    if record.deleted:
        return Refusal(NOT_FOUND, f"{subscription} was deleted")
    if record.status == "disabled":
        return Refusal(INVALID, f"{subscription} is disabled: set its status to active first")
    return None


async def read_recipients(
    settings: KafkaSettings, topic: str, keys: Collection[bytes], partitions: Collection[int]
) -> Mapping[bytes, SubscriptionRecord]:
    """Read these records of the registry, where they are there; the rest is passed over."""
    found: dict[bytes, SubscriptionRecord] = {}

    def follow(record: Fetched) -> None:
        if record.key is None or record.key not in keys:
            return
        if record.value is None:
            found.pop(record.key, None)
            return
        read = decode_subscription(record.value)
        if isinstance(read, SubscriptionRecord):  # else the last good one stands, as for services
            found[record.key] = read

    await scan(settings, Scan(topic, follow, keep_max=1, only=partitions))
    return found
