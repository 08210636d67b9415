"""Look at the registry: can it be read, and does the vault open what is sealed in it."""

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis.vault import Tampered, UnknownKey, Vault
from hooklane.doctor.findings import Finding, fail, ok, skip, warn
from schemas.registry import SubscriptionRecord, decode_subscription, parse_registry_key

READ_S: Final = 30.0
ADVICE: Final = "give gateway and deliverer the same HOOKLANE_VAULT__KEYS, old keys behind the new"


@dataclass
class Contents:
    """What stands in the registry now, by key."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    newest_ms: int | None = None
    is_whole: bool = False

    def take(self, key: bytes | None, value: bytes | None, at_ms: int) -> None:
        """Let a record follow the ones before."""
        self.newest_ms = max(self.newest_ms or 0, at_ms)
        if key is None:
            return
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


async def read(consumer: AIOKafkaConsumer, topic: str, partitions: int) -> Contents:
    """Read the whole topic; what can be read in half a minute, if it is larger."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    contents = Contents()
    try:
        async with asyncio.timeout(READ_S):
            await consumer.seek_to_beginning(*places)
            while not await _is_done(consumer, ends):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        contents.take(record.key, record.value, record.timestamp)
    except TimeoutError:
        return contents
    contents.is_whole = True
    return contents


async def _is_done(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for place, end in ends.items():
        if await consumer.position(place) < end:
            return False
    return True


def judge(contents: Contents, vault: Vault | None) -> list[Finding]:
    """Count what is there, and open each sealed part."""
    kinds = Counter(_kind(key) for key in contents.values)
    seen = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "empty"
    if contents.is_whole:
        findings = [ok("registry", seen)]
    else:
        advice = "try again nearer to the brokers; services need all of it before they are ready"
        findings = [warn("registry", f"not read to its end in {READ_S:g} s; {seen}", advice)]
    broken: list[bytes] = []
    sealed: list[tuple[bytes, str]] = []
    for key, value in contents.values.items():
        if _kind(key) != "subscription":
            continue
        record = decode_subscription(value)
        if not isinstance(record, SubscriptionRecord):
            broken.append(key)
        elif not record.deleted:
            sealed.append((key, record.sealed))
    if broken:
        advice = "create these subscriptions anew; see the services' log for their keys"
        findings.append(fail("registry records", f"{len(broken)} cannot be read", advice))
    findings.append(_judge_vault(sealed, vault))
    return findings


def _judge_vault(sealed: Sequence[tuple[bytes, str]], vault: Vault | None) -> Finding:
    if vault is None:
        return skip("vault", "no keys here: the fan-out needs none")
    unknown: Counter[str] = Counter()
    tampered = 0
    for key, blob in sealed:
        try:
            vault.open(base64.b64decode(blob, validate=True), aad=key)
        except UnknownKey as error:
            unknown[error.key_id] += 1
        except (Tampered, binascii.Error):
            tampered += 1
    if unknown:
        seen = "; ".join(
            f"{count} subscriptions need key {name}" for name, count in unknown.items()
        )
        return fail("vault", seen, ADVICE)
    if tampered:
        seen = f"{tampered} subscriptions do not open with the key of that name"
        return fail("vault", seen, ADVICE)
    return ok("vault", f"opens all {len(sealed)} subscriptions")


def _kind(key: bytes) -> str:
    parsed = parse_registry_key(key)
    return "unreadable" if parsed is None else parsed.kind
