"""What aiokafka does not show or does not do, reached from this one module.

aiokafka 0.14 has no public way to end a client whose brokers are gone, to tell the generation of
a group member, or to read a position without waiting, and under uvloop its sender dies of an
error it does not expect. Private attributes of aiokafka are used here and nowhere else; the
integration tests of this module pin each of them: an upgrade fails there, not in production.
"""

import asyncio
import contextlib
import traceback
import weakref
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer import consumer as consumers
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    OutOfOrderSequenceNumber,
    UnknownError,
    for_code,
    kafka_errors,
)
from aiokafka.producer import sender
from aiokafka.producer.sender import EndTxnHandler
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import EndTxnResponse_v0
from aiokafka.record.default_records import DefaultRecord
from aiokafka.structs import OffsetAndMetadata

from chassis import logs
from chassis.kafka_positions import GuardedState

AnyClient: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient

_SETTLE_S = 1.0
_REFUSED_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_PRODUCER_FENCED_CODE = 90
_MARKERS_S = 0.004
"""How soon a new transaction asks again while the markers of the one before are being written.

They take a few milliseconds; aiokafka waits 20. One in ten transactions of fan-out met it at 50
events a second, and each such event came that much later.
"""
_TASKS = (
    ("_sender", "_sender_task"),
    ("_coordinator", "_coordination_task"),
    ("_coordinator", "_heartbeat_task"),
    ("_coordinator", "_commit_refresh_task"),
    ("_coordinator", "_reset_committed_task"),
    ("_fetcher", "_fetch_task"),
)


class GuardedConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka is untyped
    """A connection whose closed transport is a connection error, also under uvloop.

    uvloop raises RuntimeError on a write to a closed transport; aiokafka expects OSError only, and
    its sender, fetcher or coordinator would die of it.
    """

    def send(self, request: object, expect_response: bool = True) -> object:
        """Send, or raise KafkaConnectionError and close when the transport is gone."""
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            if isinstance(error, KafkaError):
                raise
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"{self.host}:{self.port} is closed: {error}") from error


class GuardedClient(AIOKafkaClient):  # type: ignore[misc]  # aiokafka is untyped
    """A client that hands out guarded connections only, and asks a dead broker ever more slowly.

    aiokafka's loops try again after 20 to 100 ms, each with a line in the log: a dozen clients
    would write hundreds of lines a second while a broker is away.
    """

    _refusals = 0

    async def bootstrap(self) -> None:
        """Learn the cluster; the connection for it is closed also when this is cancelled.

        Nobody but a local of aiokafka's coroutine knows that connection: `cut` cannot.
        """
        try:
            await super().bootstrap()
        except BaseException as error:
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if frame.f_code is AIOKafkaClient.bootstrap.__code__:
                    connection = frame.f_locals.get("bootstrap_conn")
                    if connection is not None:
                        connection.close(reason=CloseReason.SHUTDOWN)
            raise

    async def _get_conn(
        self,
        node_id: int,
        *,
        group: ConnectionGroup = ConnectionGroup.DEFAULT,
        no_hint: bool = False,
    ) -> AIOKafkaConnection | None:
        try:
            connection = await super()._get_conn(node_id, group=group, no_hint=no_hint)
        except RuntimeError as error:
            if isinstance(error, KafkaError):
                raise
            self.force_metadata_update()
            connection = None
        if connection is None:
            pause_s = _REFUSED_S[min(self._refusals, len(_REFUSED_S) - 1)]
            self._refusals += 1
            await asyncio.sleep(pause_s)
            return None
        self._refusals = 0
        connection.__class__ = GuardedConnection
        return connection


class GuardedCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka is untyped
    """A coordinator whose commits nobody has to wait for.

    aiokafka shields a commit from the end of its caller; when that is over, at a time limit, no one
    takes the error with which the commit ends later.
    """

    def _do_commit_offsets(
        self, assignment: Assignment, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> "asyncio.Task[None]":
        committing = asyncio.create_task(super()._do_commit_offsets(assignment, offsets))
        retrieve_later(committing)
        return committing


class EndRefused(OutOfOrderSequenceNumber):  # type: ignore[misc]  # aiokafka is untyped
    """The end of a transaction was answered with an error without a name; it may have landed.

    Of a family that ends aiokafka's sender without a stack trace in the log.
    """


class GuardedEnd(EndTxnHandler):  # type: ignore[misc]  # aiokafka is untyped
    """The end of a transaction; an answer that has no name ends the producer with one line.

    Kafka up to 4.1 answers -1 when a commit comes while the next claim is fencing its producer.
    """

    def handle_response(self, response: EndTxnResponse_v0) -> float | None:
        """Take the answer: None when the transaction is over, else the pause before the next."""
        if for_code(response.error_code) is not UnknownError:
            pause_s: float | None = super().handle_response(response)
            return pause_s
        transactional_id = self._sender._txn_manager.transactional_id
        logs.get("kafka").warning(
            "kafka.end_refused", transactional_id=transactional_id, code=response.error_code
        )
        raise EndRefused(f"{transactional_id}: code {response.error_code}")


class Fetched(msgspec.Struct, gc=False):
    """The fields of aiokafka's ConsumerRecord that anybody reads, at half its weight.

    Thousands wait in queues at a time; the collector need not look at what only holds bytes.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class FreedRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped
    """What a fetch brought of one partition; gone as soon as nobody wants it.

    aiokafka's own and its iterator hold each other. One that a seek, an assignment or a rebalance
    gives up before its end, with up to half a megabyte, then waits for the cyclic collector, which
    comes rarely (`chassis.collector`): a sweep that seeks all day held hundreds of megabytes.
    """

    def _unpack_records(self) -> Iterator[object]:
        records: Iterator[object] = PartitionRecords._unpack_records(weakref.proxy(self))
        return records

    @staticmethod
    def _consumer_record(place: TopicPartition, record: DefaultRecord) -> Fetched:
        return Fetched(
            place.topic,
            place.partition,
            record.offset,
            record.timestamp,
            record.timestamp_type,
            record.key,
            record.value,
            tuple(record.headers),
        )


def client_of(owner: AnyClient) -> AIOKafkaClient:
    """Return the network client inside a consumer, producer or admin client."""
    return getattr(owner, "client", None) or getattr(owner, "_client", None)


def guard(owner: AnyClient) -> None:
    """Make every connection of a freshly constructed aiokafka object a guarded one.

    Consumers of this process free what they fetched in vain and know what they skipped, from the
    first one on; producers wait less for the end of their own last transaction.
    """
    client_of(owner).__class__ = GuardedClient
    fetcher.PartitionRecords = FreedRecords
    subscription_state.TopicPartitionState = GuardedState
    consumers.GroupCoordinator = GuardedCoordinator
    sender.EndTxnHandler = GuardedEnd
    sender.BACKOFF_OVERRIDE = _MARKERS_S
    # aiokafka knows codes up to 79 and takes a fence at the end of a transaction for an unknown
    # error, with a stack trace in the log.
    kafka_errors.setdefault(_PRODUCER_FENCED_CODE, InvalidProducerEpoch)


async def cut(owner: AnyClient, settle_s: float = _SETTLE_S) -> bool:
    """End an aiokafka object at once: cancel its tasks, close its sockets, flush nothing.

    True when every task has ended within `settle_s`. Safe to repeat, after `stop()`, and to cancel:
    nothing that ends later is reported as forgotten.
    """
    owner._closed = True  # silences its finalizer
    tasks = set(_tasks_of(owner))
    for task in tasks:
        task.cancel()
        retrieve_later(task)
        # Of a sender after aiokafka's own callback, which fails the transaction.
        task.add_done_callback(lambda _: _retrieve_transaction(owner))
    _fail_batches(owner)
    for connection in list(client_of(owner)._conns.values()):
        if connection._read_task is not None:
            tasks.add(connection._read_task)
        connection.close(reason=CloseReason.SHUTDOWN)
    _retrieve_transaction(owner)
    _, pending = await asyncio.wait(tasks, timeout=settle_s) if tasks else (set(), set())
    await asyncio.sleep(0)  # readers of connections that were just being made end here
    return not pending


def _tasks_of(owner: AnyClient) -> Iterator["asyncio.Task[object]"]:
    for holder_name, task_name in _TASKS:
        task = getattr(getattr(owner, holder_name, None), task_name, None)
        if task is not None and not task.done():
            if task_name == "_sender_task":
                # Its requests are known to a local of its coroutine only; left alone they would
                # outlive it and retry for ever.
                frame = task.get_coro().cr_frame
                yield from list(frame.f_locals.get("tasks", ())) if frame else []
            yield task
    yield from list(getattr(getattr(owner, "_fetcher", None), "_pending_tasks", ()))
    synchronizer = client_of(owner)._sync_task
    if synchronizer is not None:
        yield synchronizer


def _fail_batches(owner: AnyClient) -> None:
    accumulator = getattr(owner, "_message_accumulator", None)
    if accumulator is None:
        return
    waiting = [batch for batches in accumulator._batches.values() for batch in batches]
    waiting += accumulator._pending_batches
    accumulator._closed = True
    accumulator.fail_all(KafkaConnectionError("the producer was given up"))
    for batch in waiting:
        _retrieve(batch.future)
        _retrieve(batch._drain_waiter)


def _retrieve_transaction(owner: AnyClient) -> None:
    waiter = getattr(getattr(owner, "_txn_manager", None), "_transaction_waiter", None)
    if waiter is not None:
        _retrieve(waiter)


def _retrieve(future: "asyncio.Future[object]") -> None:
    """Take the exception of an ended future, so that asyncio does not report it as forgotten."""
    if future.done() and not future.cancelled():
        future.exception()


def retrieve_later(future: "asyncio.Future[object]") -> None:
    """Take the exception of a future whenever it ends."""
    future.add_done_callback(_retrieve)


def generation(consumer: AIOKafkaConsumer) -> int:
    """Return the group generation of a member; negative when the group does not know it."""
    coordinator = getattr(consumer, "_coordinator", None)
    return -1 if coordinator is None else int(coordinator.generation)


def member_id(consumer: AIOKafkaConsumer) -> str:
    """Return the name by which the group knows this member; empty when it does not."""
    coordinator = getattr(consumer, "_coordinator", None)
    return "" if coordinator is None else str(coordinator.member_id)


def coordination_fault(consumer: AIOKafkaConsumer) -> BaseException | None:
    """Return what ended the task that keeps the membership alive, if it ended."""
    task = getattr(getattr(consumer, "_coordinator", None), "_coordination_task", None)
    if task is None or not task.done() or task.cancelled():
        return None
    fault: BaseException | None = task.exception()
    return fault


async def confirm_membership(consumer: AIOKafkaConsumer) -> bool | None:
    """Ask the group by one heartbeat whether it still counts us in; None = no answer."""
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is None:
        return None
    asked_as = (coordinator.generation, coordinator.member_id)
    if coordinator.generation < 0:
        return False
    try:
        response = await coordinator._send_req(HeartbeatRequest(coordinator.group_id, *asked_as))
    except KafkaError:
        return None
    error = for_code(response.error_code)
    if error is NoError:
        return bool((coordinator.generation, coordinator.member_id) == asked_as)
    transient = (
        GroupCoordinatorNotAvailableError,
        NotCoordinatorForGroupError,
        GroupLoadInProgressError,
    )
    return None if error in transient else False


def position_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """Return the next offset to read, beyond transaction markers; None when unknown yet."""
    state = _state_of(consumer, partition)
    return state.position if state is not None and state.has_valid_position else None


def take_skipped(consumer: AIOKafkaConsumer, partition: TopicPartition) -> range:
    """Return the offsets that were skipped since the last call, as the log begins above them."""
    state = _state_of(consumer, partition)
    if not isinstance(state, GuardedState):
        return range(0)
    skipped, state.skipped = state.skipped, range(0)
    return skipped


def stable_end_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """Return the end of what may be read, as of the last fetch answer; None before the first."""
    state = _state_of(consumer, partition)
    return None if state is None else state.lso


def fetched_at_ms(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """Return the wall-clock time of the last fetch answer that covered this partition."""
    state = _state_of(consumer, partition)
    return None if state is None else state.timestamp


def _state_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> TopicPartitionState | None:
    with contextlib.suppress(AttributeError):
        return consumer._subscription.subscription.assignment.state_value(partition)
    return None


def track_topic(owner: AnyClient, topic: str) -> None:
    """Keep metadata of one topic only; a client without topics asks for the whole cluster's."""
    client_of(owner).set_topics([topic])


def versions_of(connection: AIOKafkaConnection) -> Mapping[int, tuple[int, int]]:
    """Return the lowest and highest version of each request that the broker speaks."""
    versions: Mapping[int, tuple[int, int]] = connection._versions
    return versions
