"""How clients are constructed and records packed; no broker needed."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from chassis import kafka
from chassis.kafka import BATCH_BYTES, KafkaUnavailable, Record, build_batches, record_bytes
from chassis.settings import KafkaSettings

NOBODY = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


async def test_batches_come_closed_bounded_and_when_full() -> None:
    """Within a partition order holds; what is not full comes at the end."""
    producer = kafka.producer(NOBODY, client_id="test")
    half = bytes(BATCH_BYTES // 2 - 1000)
    taken: list[int] = []

    def records() -> Iterator[Record]:
        for number in range(6):
            taken.append(number)
            yield Record("t", number % 2, None, half)

    batches = build_batches(producer, records())
    first = next(batches)
    taken_before_the_first = list(taken)
    rest = list(batches)

    assert taken_before_the_first == [0, 1, 2, 3, 4]
    assert [batch.partition for batch in (first, *rest)] == [0, 1, 0, 1]
    assert [batch.builder.record_count() for batch in (first, *rest)] == [2, 2, 1, 1]
    assert all(batch.builder.closed() for batch in (first, *rest))
    assert all(batch.builder.size() <= BATCH_BYTES for batch in (first, *rest))
    await kafka.retire(producer)


async def test_a_record_larger_than_a_batch_has_one_of_its_own() -> None:
    """Such a record neither fails nor takes neighbours along."""
    producer = kafka.producer(NOBODY, client_id="test")
    large, small = Record("t", 0, None, bytes(BATCH_BYTES + 1)), Record("t", 0, b"k", None)

    batches = list(build_batches(producer, [small, large, small]))

    assert [batch.builder.record_count() for batch in batches] == [1, 1, 1]
    await kafka.retire(producer)


@pytest.mark.parametrize(
    "record",
    [
        Record("t", 0, None, b""),
        Record("t", 0, b"key", None),
        Record("t", 0, b"k" * 300, b"v" * 70_000, [("header", b"x" * 9000), ("é", b"")]),
        Record("t", 0, None, b"v", tuple((f"h{n}", b"y") for n in range(64))),
    ],
)
async def test_record_bytes_is_an_upper_bound(record: Record) -> None:
    """The size that decides about sending is never less than what the log takes."""
    producer = kafka.producer(NOBODY, client_id="test")

    size = len(next(build_batches(producer, [record])).builder._build())

    assert size <= record_bytes(record)
    await kafka.retire(producer)


async def test_nobody_listens_is_unavailable_and_leaves_nothing() -> None:
    """A client that cannot start raises the chassis' own exception and no task stays."""
    for client in (
        kafka.consumer(NOBODY, client_id="test"),
        kafka.consumer(NOBODY, client_id="test", group="g"),
        kafka.producer(NOBODY, client_id="test", transactional_id="x"),
        kafka.admin(NOBODY, client_id="test"),
    ):
        with pytest.raises(KafkaUnavailable):
            await kafka.start(client)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_waiting_for_brokers_ends_when_told() -> None:
    """It says where it waits, and stops without a broker."""
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        waiting = asyncio.create_task(kafka.wait_for_brokers(NOBODY, structlog.get_logger(), stop))
        while not lines:  # noqa: ASYNC110  # the log line is the signal
            await asyncio.sleep(0)
        stop.set()
        assert not await waiting

    assert lines[0]["event"] == "kafka.waiting"
    assert lines[0]["servers"] == ["127.0.0.1:1"]
    assert "127.0.0.1:1" in lines[0]["problem"]
    assert len(lines) == 1


async def test_the_consumer_has_the_guards_of_the_design() -> None:
    """One assignor, read-committed, from the earliest, no auto-commit, small fetches."""
    consumer = kafka.consumer(NOBODY, client_id="test", group="g")

    assert [a.name for a in consumer._partition_assignment_strategy] == ["range"]
    assert consumer._isolation_level == "read_committed"
    assert consumer._auto_offset_reset == "earliest"
    assert not consumer._enable_auto_commit
    assert consumer._rebalance_timeout_ms < consumer._request_timeout_ms
    assert consumer._fetch_max_wait_ms == 100
    await kafka.retire(consumer)


async def test_security_settings_reach_the_client() -> None:
    """SASL over TLS has a context that verifies, and the password in clear for aiokafka only."""
    settings = KafkaSettings(
        bootstrap_servers=("127.0.0.1:1",),
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="hooklane",
        sasl_password=SecretStr("very secret"),
    )
    producer = kafka.producer(settings, client_id="test")

    client = producer.client
    assert client._security_protocol == "SASL_SSL"
    assert client._sasl_mechanism == "SCRAM-SHA-512"
    assert client._sasl_plain_password == "very secret"
    assert client._ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert client._ssl_context.check_hostname
    await kafka.retire(producer)


def test_this_environment_is_fit() -> None:
    """The C extension and the codecs are here, else every other test means little."""
    kafka.check_runtime()


def test_faults_of_the_network_are_told_from_ours() -> None:
    """A connection error is a fault, a bug is not."""
    assert kafka.is_fault(ConnectionResetError())
    assert kafka.is_fault(TimeoutError())
    assert not kafka.is_fault(KeyError())
