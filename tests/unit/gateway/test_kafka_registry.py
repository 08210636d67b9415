"""The registry's pure parts; its work against Kafka is in tests/integration/test_gateway.py."""

import asyncio

import pytest

from chassis.table import WriteInDoubt, WriteUnavailable
from chassis.vault import Vault
from gateway.kafka_registry import (
    KNOWN_S,
    KafkaRevocations,
    RegistryTopic,
    encode_change,
    encode_removal,
    readable,
    unseal,
)
from gateway.problems import Code, RefusedError
from gateway.registry import Removal
from gateway.registry_rows import RegistryIndex
from gateway.subscriptions import Change
from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord
from schemas.registry import SubscriptionRecord, registry_key
from schemas.topics import partition_of
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.gateway import VAULT
from tests.registry_keys import api_key_key

KEY = registry_key("acme", "subscription", "sub_1")
REVOKED_S = 2.0
"""So long after a revocation may a key still count, says the contract."""


def record_of(*, deleted: bool = False) -> SubscriptionRecord:
    """Make a record of `sub_1`."""
    _, _, record = encode_change(Change(raw_record("sub_1", deleted=deleted), SEALED), VAULT)
    return record


def test_the_url_and_the_secrets_are_not_readable_in_the_topic() -> None:
    """P8: no secret in any topic in clear."""
    key, value, record = encode_change(Change(raw_record("sub_1"), SEALED), VAULT)

    assert key == KEY
    assert b"example.com" not in value
    assert b"whsec_" not in value
    assert unseal(VAULT, key, record.sealed) == SEALED


@pytest.mark.parametrize("sealed", ["", "!", "AAAA", "Zm9v"])
def test_a_broken_seal_opens_nothing(sealed: str) -> None:
    """The subscription is shown with the reason `vault`, nothing fails."""
    assert unseal(VAULT, KEY, sealed) is None


def test_a_foreign_key_opens_nothing() -> None:
    """Neither another vault key nor another record."""
    sealed = record_of().sealed

    assert unseal(Vault([("k2", b"z" * 32)]), KEY, sealed) is None
    assert unseal(VAULT, registry_key("acme", "subscription", "sub_2"), sealed) is None


def test_a_record_that_nobody_could_read_is_not_written() -> None:
    """A bug here must not reach the topic."""
    with pytest.raises(TypeError):
        encode_change(Change(raw_record("sub_1", ordering="fifo"), SEALED), VAULT)


def test_a_key_that_nobody_could_read_is_not_written() -> None:
    """The same for records that seal nothing."""
    with pytest.raises(TypeError):
        readable(api_key_key("key_1"), b"{}", ApiKeyRecord)
    with pytest.raises(TypeError):
        readable(KEY, b"{}", ApiKeyRecord)


def test_a_removal_ends_with_the_subscriber_itself() -> None:
    """Whoever reads a part of it never sees a subscription of nobody."""
    gone = Change(raw_record("sub_1", deleted=True), SEALED)

    writes = encode_removal("acme", Removal({"subscriber": "acme"}, [gone]), VAULT)

    assert [key for key, _ in writes] == [KEY, b"acme/subscriber/acme"]


class Ending:
    """A writer whose updates end as a test says."""

    def __init__(self, error: WriteUnavailable) -> None:
        self._error = error

    async def update(self, partition: int, decide: object) -> None:
        """End."""
        raise self._error


@pytest.mark.parametrize(
    ("error", "code"),
    [(WriteUnavailable("busy"), Code.UNAVAILABLE), (WriteInDoubt("cut off"), Code.UNKNOWN)],
)
async def test_a_client_hears_whether_a_repeat_is_harmless(
    error: WriteUnavailable, code: Code
) -> None:
    """`unavailable` wrote nothing; after `unknown` it must look, or use If-Match."""
    index = RegistryIndex()
    topic = RegistryTopic(None, Ending(error), index=index, partitions=3)  # type: ignore[arg-type]  # never read

    with pytest.raises(RefusedError) as caught:
        await topic.update("acme", list)

    assert caught.value.problem.code is code
    assert ("If-Match" in caught.value.problem.detail) is (code is Code.UNKNOWN)


class Heard:
    """A table that was heard of so long ago, and once more after a wait."""

    def __init__(self, silence_s: float) -> None:
        self.silence_s = silence_s
        self.asked: set[int] = set()
        self.waits = 0

    def lag_s(self, partition: int) -> float:
        """Return the silence."""
        self.asked.add(partition)
        return self.silence_s

    async def wait_fresh(self, partition: int, *, within_s: float, timeout_s: float) -> bool:
        """End at once, as a wait of that length would."""
        self.waits += 1
        self.asked.add(partition)
        return timeout_s >= self.silence_s - within_s


async def test_revocations_are_known_while_kafka_is_heard_of() -> None:
    """What counts is the partition of the keys alone; all who wait share one wait."""
    partitions = 7
    assert KNOWN_S < REVOKED_S
    assert partition_of(KEYS_SUBSCRIBER.encode(), partitions) != partition_of(b"acme", partitions)
    heard = Heard(KNOWN_S)
    topic = RegistryTopic(heard, None, index=RegistryIndex(), partitions=partitions)  # type: ignore[arg-type]  # what is read of them
    revocations = KafkaRevocations(topic, timeout_s=2.0)

    assert revocations.are_known
    heard.silence_s = KNOWN_S + 0.1
    assert not revocations.are_known
    assert await revocations.wait_known()
    heard.silence_s = KNOWN_S + 2.1
    assert not await revocations.wait_known()
    assert heard.asked == {partition_of(KEYS_SUBSCRIBER.encode(), partitions)}
    heard.waits = 0
    assert await asyncio.gather(*(revocations.wait_known() for _ in range(9))) == [False] * 9
    assert heard.waits == 1
