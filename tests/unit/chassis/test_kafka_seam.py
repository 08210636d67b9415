"""What the seam does to aiokafka's objects without a broker."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer as consumers
from aiokafka.consumer import fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import KafkaConnectionError, ProducerFenced, UnknownMemberIdError, for_code
from aiokafka.producer import sender
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnResponse_v0, EndTxnResponse_v0
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata
from structlog.testing import capture_logs

from chassis import kafka, kafka_seam
from chassis.kafka_seam import Fetched, FreedRecords, GuardedClient, GuardedConnection
from chassis.settings import KafkaSettings

NOBODY = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


class DeadWriter:
    """A stream writer over a transport that uvloop has closed."""

    is_closed = False

    def write(self, data: bytes) -> None:
        """Refuse as uvloop does."""
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


async def test_uvloops_runtime_error_becomes_a_connection_error() -> None:
    """Aiokafka knows what to do with that one; the connection is closed."""
    connection = GuardedConnection("127.0.0.1", 1)
    writer = DeadWriter()
    connection._writer, connection._reader = writer, asyncio.StreamReader()
    connection._read_task = asyncio.create_task(asyncio.sleep(0))
    connection._versions = {3: (0, 5)}

    with pytest.raises(KafkaConnectionError):
        connection.send(MetadataRequest([]))

    assert writer.is_closed
    assert not connection.connected()


async def test_every_client_is_guarded() -> None:
    """All three kinds hand out guarded connections."""
    made = (
        kafka.consumer(NOBODY, client_id="test"),
        kafka.producer(NOBODY, client_id="test"),
        kafka.admin(NOBODY, client_id="test"),
    )
    for client in made:
        assert isinstance(kafka_seam.client_of(client), GuardedClient)
        await kafka.retire(client)


async def test_a_fence_at_the_end_of_a_transaction_has_its_name() -> None:
    """Code 90 is newer than aiokafka; it means the same as 47."""
    await kafka.retire(kafka.producer(NOBODY, client_id="test"))

    assert for_code(90) is for_code(47)


async def test_a_transaction_waits_shortly_for_the_markers_of_the_one_before() -> None:
    """Code 51 as the first answer of a transaction costs 4 ms, not 20."""
    producer = kafka.producer(NOBODY, client_id="test", transactional_id="x")
    handler = AddPartitionsToTxnHandler(producer._sender, {TopicPartition("t", 0)})

    pause_s = handler.handle_response(AddPartitionsToTxnResponse_v0(0, [("t", [(0, 51)])]))

    assert pause_s == 0.004
    await kafka.retire(producer)


async def test_cutting_twice_is_harmless() -> None:
    """Also before start."""
    producer = kafka.producer(NOBODY, client_id="test", transactional_id="x")

    assert await kafka_seam.cut(producer)
    assert await kafka_seam.cut(producer)


@pytest.fixture
async def heard() -> AsyncIterator[list[object]]:
    """Give what the loop is told of errors that nobody took and things that nobody closed."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    yield told
    loop.set_exception_handler(None)


async def test_an_exception_taken_later_is_not_reported_as_forgotten(heard: list[object]) -> None:
    """The loop's handler hears nothing of a failed future that was marked."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()
    kafka_seam.retrieve_later(future)

    future.set_exception(OSError("x"))
    await asyncio.sleep(0)
    del future

    assert heard == []


async def _end_late(error: Exception | None, *, release: asyncio.Event) -> None:
    """Do not end when cancelled, but when let go; with an error if there is one."""
    try:
        await asyncio.Event().wait()
    finally:
        await release.wait()
        if error is not None:
            raise error


@pytest.mark.parametrize("is_dead_before", [True, False])
async def test_a_cut_that_is_given_up_forgets_no_error(
    heard: list[object], *, is_dead_before: bool
) -> None:
    """A sender is fenced before or meanwhile; nobody waits for the transaction that this fails."""
    producer = kafka.producer(NOBODY, client_id="test", transactional_id="x")
    producer._txn_manager.set_pid_and_epoch(1, 1)
    producer._txn_manager.begin_transaction()
    release, released = asyncio.Event(), asyncio.Event()
    released.set()
    sending = asyncio.create_task(
        _end_late(ProducerFenced(), release=released if is_dead_before else release)
    )
    sending.add_done_callback(producer._sender._fail_all)
    producer._sender._sender_task = sending
    synchronizing = asyncio.create_task(_end_late(None, release=release))
    kafka_seam.client_of(producer)._sync_task = synchronizing
    await asyncio.sleep(0)
    if is_dead_before:
        sending.cancel()
        await asyncio.wait({sending})
    cutting = asyncio.create_task(kafka_seam.cut(producer))
    await asyncio.sleep(0)

    cutting.cancel()
    await asyncio.wait({cutting})
    release.set()
    await asyncio.wait({sending, synchronizing})
    await asyncio.sleep(0)
    del sending, synchronizing, cutting, producer
    gc.collect()

    assert heard == []


class DeafCoordinator:
    """Makes coordinators whose broker answers when `answer` ends."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.asked = asyncio.Event()

    async def send(self, request: object) -> object:
        """Wait."""
        self.asked.set()
        return await self.answer


async def test_the_error_of_a_commit_that_was_given_up_is_taken(heard: list[object]) -> None:
    """Who waited is gone at his time limit; the group refuses the commit later."""
    consumer = kafka.consumer(NOBODY, client_id="test", group="g")
    coordinator = consumers.GroupCoordinator(
        kafka_seam.client_of(consumer), SubscriptionState(), group_id="g"
    )
    consumer._coordinator = coordinator
    broker = DeafCoordinator()
    coordinator.coordinator_id, coordinator._send_req = 1, broker.send
    commit = coordinator.commit_offsets(None, {TopicPartition("t", 0): OffsetAndMetadata(1, "")})
    committing = asyncio.create_task(commit)
    await broker.asked.wait()
    committing.cancel()
    await asyncio.wait({committing})

    broker.answer.set_exception(UnknownMemberIdError("g"))
    for task in asyncio.all_tasks() - {asyncio.current_task(), coordinator._coordination_task}:
        await asyncio.wait({task})
    del task
    gc.collect()

    assert heard == []
    await kafka_seam.cut(consumer)


@pytest.mark.parametrize("code", [-1, 12_345])
async def test_the_end_of_a_transaction_may_have_no_name(code: int) -> None:
    """Kafka answers -1 to a commit during a fence: one line of ours; the sender ends silently."""
    producer = kafka.producer(NOBODY, client_id="test", transactional_id="x")
    handler = sender.EndTxnHandler(producer._sender, 1)

    with capture_logs() as lines, pytest.raises(sender.OutOfOrderSequenceNumber):
        handler.handle_response(EndTxnResponse_v0(0, code))
    with pytest.raises(ProducerFenced):
        handler.handle_response(EndTxnResponse_v0(0, 47))

    assert [(line["event"], line["log_level"], line["code"]) for line in lines] == [
        ("kafka.end_refused", "warning", code)
    ]
    await kafka.retire(producer)


async def test_a_start_that_is_given_up_closes_the_connection_it_made(heard: list[object]) -> None:
    """The broker took the connection and then froze; `cut` does not see the connection."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def freeze(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4), "big")
        versions = ApiVersionResponse_v0(0, [(3, 0, 5)]).encode()
        correlation = (await reader.readexactly(size))[4:8]
        writer.write((4 + len(versions)).to_bytes(4, "big") + correlation + versions)
        await reader.readexactly(4)
        asked.set()
        while await reader.read(1000):
            pass
        closed.set()
        writer.close()

    server = await asyncio.start_server(freeze, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    producer = kafka.producer(
        KafkaSettings(bootstrap_servers=(f"127.0.0.1:{port}",)),
        client_id="test",
        transactional_id="x",
    )
    starting = asyncio.create_task(kafka.start(producer))
    await asked.wait()

    starting.cancel()
    await asyncio.wait({starting})
    del starting, producer
    gc.collect()

    assert heard == []
    await closed.wait()
    server.close()
    await server.wait_closed()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep the cyclic collector away: what goes must go by itself."""
    gc.disable()
    yield
    gc.enable()


def _fetched(made: type[fetcher.PartitionRecords]) -> fetcher.PartitionRecords:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 65_536)
    for number in range(3):
        builder.append(number, 5 + number, b"k", b"v%d" % number, [("h", b"x")])
    return made(
        TopicPartition("t", 4),
        MemoryRecords(bytes(builder.build())),
        [],
        0,
        None,
        None,
        check_crcs=True,
        isolation_level=0,
    )


def test_a_fetched_record_says_what_a_record_of_aiokafka_says() -> None:
    """But for its checksum and the sizes of what it holds."""
    ours, theirs = list(_fetched(FreedRecords)), list(_fetched(FreedRecords.__base__))

    assert len(ours) == len(theirs) == 3
    for mine, other in zip(ours, theirs, strict=True):
        for name in Fetched.__struct_fields__:
            assert getattr(mine, name) == getattr(other, name)


@pytest.mark.usefixtures("no_collector")
async def test_what_was_fetched_in_vain_is_freed_at_once() -> None:
    """A seek in the middle of a chunk leaves nothing to a collector that comes rarely."""
    await kafka.retire(kafka.consumer(NOBODY, client_id="test"))
    fetched = _fetched(fetcher.PartitionRecords)

    first = next(fetched)
    watched = weakref.ref(fetched)
    del fetched

    assert first.value == b"v0"
    assert watched() is None
