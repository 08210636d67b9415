"""What is said when a broker cannot be warmed up; the claim itself: tests/integration."""

import pytest

from chassis.settings import KafkaSettings
from hooklane.dev.warm_up import open_transactions
from hooklane.exits import NETWORK, CommandFailed


async def test_a_broker_that_is_gone_is_one_line() -> None:
    """With its address."""
    nowhere = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))

    with pytest.raises(CommandFailed, match=r"Kafka at 127\.0\.0\.1:1 takes no trans") as failed:
        await open_transactions(nowhere, "p")

    assert failed.value.code == NETWORK
