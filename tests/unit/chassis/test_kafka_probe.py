"""Tests of a probe against what is no broker; real ones are asked in tests/integration."""

import asyncio

import pytest
from aiokafka.errors import KafkaError

from chassis.kafka_probe import OPERATIONS, Probe, _rights
from chassis.settings import KafkaSettings


def test_a_right_is_the_bit_of_its_code() -> None:
    """KIP-430."""
    assert _rights(0) == frozenset()
    assert _rights(1 << 3 | 1 << 8) == {"Read", "Describe"}
    assert _rights(-1) == set(OPERATIONS)


async def test_a_server_that_hangs_up_is_an_error_of_its_own() -> None:
    """Nothing is tried again behind our back."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = KafkaSettings.model_validate({"bootstrap_servers": address})

    async with server:
        with pytest.raises((OSError, KafkaError)):
            await Probe.connect(settings, address)
