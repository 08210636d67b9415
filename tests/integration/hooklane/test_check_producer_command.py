"""`hooklane check-producer` over records of real clients."""

import asyncio
import json
import zlib

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from hooklane.check_producer_command import CheckOptions, run_check
from hooklane.exits import CommandFailed
from hooklane.topics_command import apply, read_settings
from schemas.topics import partition_of
from tests.conftest import Broker

pytestmark = pytest.mark.kafka
PARTITIONS = 6
KEY = next(
    f"shop-{n}".encode()
    for n in range(100)
    if zlib.crc32(f"shop-{n}".encode()) % PARTITIONS
    != partition_of(f"shop-{n}".encode(), PARTITIONS)
)
GOOD: list[tuple[str, str | bytes | None]] = [
    ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/shop"), ("ce_type", b"a.b"),
]  # fmt: skip


@pytest.fixture
def variables(kafka: Broker, prefix: str) -> dict[str, str]:
    """Create the topics; give the settings to reach them."""
    made = {
        "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKLANE_TOPICS__PREFIX": prefix,
        "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
        "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
    }
    asyncio.run(apply(read_settings(made)))
    return made


def produce(variables: dict[str, str], key: bytes, **settings: str) -> None:
    """Send one good record with librdkafka."""
    servers = variables["HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"]
    producer = Producer({"bootstrap.servers": servers, **settings})
    topic = f"{variables['HOOKLANE_TOPICS__PREFIX']}.events"
    producer.produce(topic, b"{}", key=key, headers=GOOD)
    assert producer.flush(20) == 0


def test_a_librdkafka_client_without_the_setting_is_found_out(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The default partitioner breaks the contract; exit 1 and the setting to change."""
    produce(variables, KEY)

    code = run_check(variables, CheckOptions(10), "table")

    shown = capsys.readouterr().out
    assert code == 1
    assert "crc32" in shown
    assert "partitioner=murmur2_random" in shown


def test_with_the_setting_it_is_fine(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And so is aiokafka, as it comes."""
    produce(variables, KEY, partitioner="murmur2_random")
    asyncio.run(_send_with_aiokafka(variables))

    code = run_check(variables, CheckOptions(10), "json")

    rows = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [row["verdict"] for row in rows] == ["ok", "ok"]
    assert all(len(row["findings"]) == 5 for row in rows)


def test_one_key_and_one_place(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Filters find a team's own record among those of others."""
    produce(variables, b"other", partitioner="murmur2_random")
    produce(variables, KEY, partitioner="murmur2_random")

    run_check(variables, CheckOptions(10, key=KEY.decode()), "json")
    by_key = json.loads(capsys.readouterr().out)
    place = CheckOptions(1, by_key[0]["partition"], by_key[0]["offset"])
    run_check(variables, place, "json")
    by_place = json.loads(capsys.readouterr().out)
    with pytest.raises(CommandFailed) as nothing:
        run_check(variables, CheckOptions(10, key="nobody"), "json")

    assert by_key == by_place
    assert by_key[0]["key"] == KEY.decode()
    assert nothing.value.code == 3


async def _send_with_aiokafka(variables: dict[str, str]) -> None:
    servers = variables["HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"]
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    topic = f"{variables['HOOKLANE_TOPICS__PREFIX']}.events"
    await producer.send_and_wait(topic, b"{}", key=KEY, headers=GOOD)
    await producer.stop()
