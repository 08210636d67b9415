"""The embedded Kafka is a real broker: it serves, survives, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from hooklane.broker_probe import probe
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from tests.conftest import Broker

pytestmark = pytest.mark.kafka

PARENT = """
import sys
from hooklane.embedded_kafka import EmbeddedKafka
node = EmbeddedKafka()
node.start()
print(node.pid, node.folder, flush=True)
sys.stdin.read()
"""


async def make_topic(bootstrap: str, name: str) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def write_in_transaction(bootstrap: str, topic: str, value: bytes) -> None:
    """Commit one record."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-writer")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read_all(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """Read so many committed values from the beginning."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_committed_transaction_is_read(kafka: Broker, prefix: str) -> None:
    """A transaction commits on the shared node as soon as the fixture is there."""
    await make_topic(kafka.bootstrap_servers, prefix)

    await write_in_transaction(kafka.bootstrap_servers, prefix, b"one")

    assert await read_all(kafka.bootstrap_servers, prefix, 1) == [b"one"]


async def test_port_and_data_survive_kill_and_restart(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str
) -> None:
    """After kill -9 and a clean restart the same address serves the same records."""
    node = await asyncio.to_thread(own_kafka)
    address = node.bootstrap_servers
    await make_topic(address, prefix)
    await write_in_transaction(address, prefix, b"kept")

    await asyncio.to_thread(node.kill)
    assert not node.is_running
    await asyncio.to_thread(node.start)
    await asyncio.to_thread(node.restart)

    assert node.bootstrap_servers == address
    assert await read_all(address, prefix, 1) == [b"kept"]


async def test_a_kept_folder_is_opened_again(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str, tmp_path: Path
) -> None:
    """What was kept is neither removed at the end nor formatted away by the next start."""
    first = await asyncio.to_thread(own_kafka, folder=tmp_path / "node", keep=True)
    address = first.bootstrap_servers
    await make_topic(address, prefix)
    await write_in_transaction(address, prefix, b"kept")
    await asyncio.to_thread(first.close)

    second = await asyncio.to_thread(own_kafka, folder=tmp_path / "node", keep=True)

    assert second.bootstrap_servers == address
    assert await read_all(address, prefix, 1) == [b"kept"]


def test_a_paused_node_goes_on_and_ends_without_a_trace(
    own_kafka: Callable[..., EmbeddedKafka],
) -> None:
    """Frozen it answers nothing, resumed it does; its end, also frozen, removes all there was."""
    node = own_kafka()
    host, port = node.bootstrap_servers.split(":")
    pid, folder = node.pid, node.folder

    node.pause()
    frozen = probe(host, int(port), timeout_s=0.5)
    node.resume()

    resumed = probe(host, int(port), timeout_s=20)
    node.pause()
    node.close()

    assert frozen is not None
    assert resumed is None

    assert pid is not None
    assert not is_alive(pid)
    assert not folder.exists()


def test_nothing_stays_when_the_parent_is_killed() -> None:
    """Kill -9 of the process that started it ends the broker and removes its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert is_alive(int(pid))

        parent.kill()
        parent.wait()
        wait_until(lambda: not is_alive(int(pid)) and not Path(folder).exists())


def test_a_broker_that_dies_shows_why(own_kafka: Callable[..., EmbeddedKafka]) -> None:
    """Another program on its port ends a restart with that line of the log, not the last ones."""
    node = own_kafka()
    node.stop()
    host, port = node.bootstrap_servers.split(":")

    with (
        socket.create_server((host, int(port))),
        pytest.raises(EmbeddedKafkaError, match="Address already in use"),
    ):
        node.start()

    assert not node.is_running
    assert node.folder.exists()


def test_a_wrong_property_is_said(tmp_path: Path) -> None:
    """The format step names it, and nothing stays."""
    node = EmbeddedKafka(folder=tmp_path / "node", extra={"num.io.threads": "0"})

    with pytest.raises(EmbeddedKafkaError, match=r"num\.io\.threads"):
        node.start()

    assert not (tmp_path / "node").exists()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended but waits for init does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc on this system, or it ended just now
        return not Path("/proc/self").exists()
    return state != "Z"


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for another process, bounded by the test's own timeout."""
    while not is_so():
        signal.sigtimedwait([], 0.05)
