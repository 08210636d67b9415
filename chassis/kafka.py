"""Kafka as every room uses it: the only place that constructs aiokafka's clients.

Every client is unstarted until `start`, and ends by `retire`; neither hangs when the brokers are
gone. Records are bytes: a deserializer that raises would make aiokafka fetch the same chunk for
ever. Rules that all clients share (assignor, isolation, fetch sizes, timeouts) are written here.
"""

import asyncio
import functools
import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.codec import has_lz4, has_snappy, has_zstd
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record import default_records
from aiokafka.structs import RecordMetadata
from structlog.typing import FilteringBoundLogger

from chassis.kafka_seam import AnyClient, cut, guard, retrieve_later
from chassis.refusal import StartRefused
from chassis.settings import KafkaSettings

Headers = Sequence[tuple[str, bytes]]

FETCH_BYTES = 262_144
"""What one fetch takes of a partition."""
BATCH_BYTES = 245_760
"""Uncompressed size at which a batch is closed; below FETCH_BYTES, so one fetch holds a batch."""
RECORD_BYTES_MAX = 1_000_000
"""What `record_bytes` may be at most: below the broker's default max.message.bytes (1,048,588)."""
START_S = 20.0
TRANSACTION_S = 60.0
_BATCH_HEADER_BYTES = 61
_RECORD_FRAME_BYTES = 32
_HEADER_FRAME_BYTES = 10


class KafkaUnavailable(Exception):
    """The brokers did not do what was asked, now; asking again may help."""


class RuntimeFault(StartRefused):
    """This Python environment cannot run the product; the message says what to install."""


class Record(msgspec.Struct, frozen=True):
    """One record to append; the partition is always chosen by us."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Batch(NamedTuple):
    """A closed batch for one partition."""

    topic: str
    partition: int
    builder: BatchBuilder


def consumer(
    settings: KafkaSettings,
    *,
    client_id: str,
    group: str | None = None,
    fetch_bytes: int = FETCH_BYTES,
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
) -> AIOKafkaConsumer:
    """Return an unstarted consumer; with a group it still has to subscribe.

    One assignor only: aiokafka joins once per assignor. Range puts equal partition numbers of
    equally sized topics on one member. `fetch_max_wait_ms` bounds how long a drained partition
    waits behind the long poll of its idle neighbours.
    """
    made = AIOKafkaConsumer(
        **connection_options(settings, client_id),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        partition_assignment_strategy=[RangePartitionAssignor],
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=fetch_bytes,
        fetch_max_bytes=8 * 1024 * 1024,
        session_timeout_ms=12_000,
        heartbeat_interval_ms=3_000,
        rebalance_timeout_ms=15_000,
        request_timeout_ms=20_000,
        retry_backoff_ms=100,
    )
    guard(made)
    return made


def producer(
    settings: KafkaSettings,
    *,
    client_id: str,
    transactional_id: str | None = None,
    transaction_s: float = TRANSACTION_S,
) -> AIOKafkaProducer:
    """Return an unstarted idempotent producer (acks=all, zstd), transactional when it has an id.

    A transaction that nobody ended is aborted after `transaction_s`, at once by the next claim.

    Any failed batch bricks it: the sequence is not rolled back. Retire it and make a new one.
    """
    made = AIOKafkaProducer(
        **connection_options(settings, client_id),
        transactional_id=transactional_id,
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        linger_ms=0,
        retry_backoff_ms=20,
        request_timeout_ms=15_000,
        max_batch_size=BATCH_BYTES,
        max_request_size=RECORD_BYTES_MAX,
        transaction_timeout_ms=round(transaction_s * 1000),
    )
    guard(made)
    return made


def admin(settings: KafkaSettings, *, client_id: str) -> AIOKafkaAdminClient:
    """Return an unstarted admin client."""
    made = AIOKafkaAdminClient(**connection_options(settings, client_id), request_timeout_ms=20_000)
    guard(made)
    return made


async def start(client: AnyClient, *, timeout_s: float = START_S) -> None:
    """Start a client, or leave nothing of it behind and raise KafkaUnavailable."""
    try:
        async with asyncio.timeout(timeout_s):
            await client.start()
    except BaseException as error:
        await cut(client)
        if isinstance(error, RuntimeError | OSError | TimeoutError | AssertionError):
            raise KafkaUnavailable(f"no start within {timeout_s:g} s: {error!r}") from error
        raise


async def retire(client: AnyClient, *, timeout_s: float = 5.0) -> None:
    """Stop a client, also one that is stuck or bricked; never raises and leaves no task behind.

    What a producer still holds is flushed while `timeout_s` lasts, then given up.
    """
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        async with asyncio.timeout(timeout_s):
            await stop()
    except (RuntimeError, OSError, TimeoutError, AssertionError):
        pass  # an ordinary end of a client whose brokers are gone; KafkaError is a RuntimeError
    except asyncio.CancelledError:
        # A client stopped right after its start awaits a task it has just cancelled, and lets that
        # task's end through as if we were meant.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        await cut(client)


def record_bytes(record: Record) -> int:
    """Return an upper bound of what a record takes in the log, uncompressed."""
    content_bytes = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        name_bytes = len(name) if name.isascii() else len(name.encode())
        content_bytes += name_bytes + len(value)
    return framed_bytes(content_bytes, headers=len(record.headers))


def framed_bytes(content_bytes: int, *, headers: int) -> int:
    """Return that bound for a record whose key, value and headers are known by their sum only."""
    frame_bytes = _BATCH_HEADER_BYTES + _RECORD_FRAME_BYTES + _HEADER_FRAME_BYTES * headers
    return frame_bytes + content_bytes


def build_batches(maker: AIOKafkaProducer, records: Iterable[Record]) -> Iterator[Batch]:
    """Pack records into closed batches, in order within a partition, each as soon as it is full.

    What is not full comes at the end, so that all partitions of a small tick fill one request.
    """
    current: dict[tuple[str, int], BatchBuilder] = {}
    for record in records:
        place = (record.topic, record.partition)
        builder = current.get(place)
        if builder is not None and _append(builder, record):
            continue
        if builder is not None:
            yield Batch(*place, builder)  # closed by the append that did not fit
        builder = current[place] = maker.create_batch()
        if not _append(builder, record):
            raise ValueError("a record does not fit an empty batch")
    for place, builder in current.items():
        builder.close()
        yield Batch(*place, builder)


async def produce(maker: AIOKafkaProducer, records: Iterable[Record]) -> list[RecordMetadata]:
    """Append records and wait for every answer; one answer per batch.

    Records are taken from their iterator while earlier ones are on their way: of a partition at
    most one batch is built, one waits and one is in flight, however many there are in all.
    Raises the first failure after all answers are known: a send that nobody waits for hides a
    lost record, even from the commit of a transaction. One caller at a time per partition.
    """
    answers = []
    for batch in build_batches(maker, records):
        answer = await maker.send_batch(batch.builder, batch.topic, partition=batch.partition)
        retrieve_later(answer)
        answers.append(answer)
    results = await asyncio.gather(*answers, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def append_batch(maker: AIOKafkaProducer, records: Sequence[Record]) -> RecordMetadata:
    """Append records of one partition that fit one batch, as `produce` does with any."""
    builder = maker.create_batch()
    for record in records:
        if not _append(builder, record):
            raise ValueError("the records do not fit a batch")
    builder.close()
    topic, partition = records[0].topic, records[0].partition
    answer = await maker.send_batch(builder, topic, partition=partition)
    retrieve_later(answer)
    return await answer


def check_runtime() -> None:
    """Refuse an environment in which aiokafka works, but badly or only sometimes."""
    problems = []
    if "_crecords" not in default_records.DefaultRecordBatchBuilder.__module__:
        problems.append("aiokafka's C extension is not loaded (40 times slower): install a wheel")
    for name, is_there in (("lz4", has_lz4), ("snappy", has_snappy), ("zstd", has_zstd)):
        if not is_there():
            problems.append(f"no codec {name}: install aiokafka[lz4,snappy,zstd]")
    if problems:
        raise RuntimeFault("; ".join(problems))


async def wait_for_brokers(
    settings: KafkaSettings, log: FilteringBoundLogger, stop: asyncio.Event, *, again_s: float = 30
) -> bool:
    """Wait until a broker answers; False when `stop` came first.

    Says once that it waits, and again every `again_s`.
    """
    loop = asyncio.get_running_loop()
    said_at: float | None = None
    while not stop.is_set():
        problem = await _reach(settings)
        if problem is None:
            if said_at is not None:
                log.info("kafka.reached", servers=list(settings.bootstrap_servers))
            return True
        if said_at is None or loop.time() - said_at >= again_s:
            said_at = loop.time()
            log.warning("kafka.waiting", servers=list(settings.bootstrap_servers), problem=problem)
        await wait_or_stop(stop, 0.5)
    return False


async def wait_or_stop(stop: asyncio.Event, timeout_s: float) -> bool:
    """Wait `timeout_s`, less when `stop` is set; True when it is."""
    try:
        async with asyncio.timeout(timeout_s):
            await stop.wait()
    except TimeoutError:
        pass
    return stop.is_set()


async def _reach(settings: KafkaSettings) -> str | None:
    """Return why no broker answers, None when one does; quiet while nobody listens."""
    problem = "no address"
    for server in settings.bootstrap_servers:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(3):
                _reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError) as error:
            problem = f"{server}: {error or 'no answer'}"
            continue
        writer.close()
        probe = admin(settings, client_id="hooklane-wait")
        try:
            await start(probe, timeout_s=5)
        except KafkaUnavailable as error:
            problem = f"{server}: {error}"
            continue
        await retire(probe, timeout_s=1)
        return None
    return problem


def _append(builder: BatchBuilder, record: Record) -> bool:
    headers = record.headers
    appended = builder.append(
        timestamp=None,
        key=record.key,
        value=record.value,
        headers=headers if type(headers) is list else list(headers),
    )
    return appended is not None


def connection_options(settings: KafkaSettings, client_id: str) -> dict[str, object]:
    """Return the arguments that every client of aiokafka takes."""
    options: dict[str, object] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "client_id": client_id,
        "security_protocol": settings.security_protocol,
        "metadata_max_age_ms": 60_000,
    }
    if settings.is_tls:
        options["ssl_context"] = _ssl_context(
            *(
                None if path is None else str(path)
                for path in (settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile)
            )
        )
    if settings.sasl_mechanism is not None and settings.sasl_password is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


@functools.lru_cache(maxsize=4)
def _ssl_context(cafile: str | None, certfile: str | None, keyfile: str | None) -> ssl.SSLContext:
    """Return one context for all clients: loading the trust store takes milliseconds."""
    context: ssl.SSLContext = create_ssl_context(cafile=cafile, certfile=certfile, keyfile=keyfile)
    return context


def is_fault(error: BaseException) -> bool:
    """Whether an error of aiokafka is about the brokers or the network, not about our code."""
    return isinstance(error, KafkaError | OSError | TimeoutError)
