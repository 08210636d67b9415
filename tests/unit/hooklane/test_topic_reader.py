"""What a command says when Kafka does not give what it wants to read."""

import pytest
from aiokafka.errors import NodeNotReadyError

from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from hooklane.exits import NETWORK, CommandFailed
from hooklane.topic_reader import reader

SETTINGS = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (TimeoutError(), "Kafka at 127.0.0.1:1 gave no records in time"),
        (KafkaUnavailable("no start"), "no Kafka at 127.0.0.1:1"),
        (NodeNotReadyError(), "Kafka at 127.0.0.1:1 did not answer: NodeNotReadyError"),
    ],
)
async def test_each_fault_of_kafka_is_one_line_that_names_the_address(
    fault: Exception, text: str
) -> None:
    """Exit code and text are those of a network that does not answer."""
    with pytest.raises(CommandFailed) as failed:
        async with reader(SETTINGS, client_id="test"):
            raise fault

    assert failed.value.code == NETWORK
    assert str(failed.value) == text


async def test_a_bug_is_shown_as_one() -> None:
    """It is no fault of the network."""
    with pytest.raises(ZeroDivisionError):
        async with reader(SETTINGS, client_id="test"):
            raise ZeroDivisionError
