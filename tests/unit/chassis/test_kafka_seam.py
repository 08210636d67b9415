"""What the seam does to aiokafka's objects without a broker."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError, for_code
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnResponse_v0
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from chassis import kafka, kafka_seam
from chassis.kafka_seam import Fetched, FreedRecords, GuardedClient, GuardedConnection
from chassis.settings import KafkaSettings

NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


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


async def test_an_exception_taken_later_is_not_reported_as_forgotten() -> None:
    """The loop's handler hears nothing of a failed future that was marked."""
    heard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    future: asyncio.Future[object] = loop.create_future()
    kafka_seam.retrieve_later(future)

    future.set_exception(OSError("x"))
    await asyncio.sleep(0)
    del future

    assert heard == []


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
