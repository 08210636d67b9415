"""The port of the registry, and its fake."""

import orjson
import pytest

from gateway.registry import Stored
from schemas.registry import SubscriptionRecord, decode_subscription
from tests.contract.gateway import RegistryContract, raw_record
from tests.fakes.gateway import MemoryRegistry


def test_the_raw_record_is_the_json_that_was_stored() -> None:
    """Writers edit it, so nothing may be lost in it."""
    raw = raw_record("sub_1", sealed="", of_the_future={"a": [1.5, None]})
    value = orjson.dumps(raw)
    record = decode_subscription(value)
    assert isinstance(record, SubscriptionRecord)

    assert Stored(record, value).raw() == raw


class TestMemoryRegistry(RegistryContract):
    """The fake keeps the promises of the port."""

    @pytest.fixture
    def registry(self) -> MemoryRegistry:
        """Give the fake."""
        return MemoryRegistry()
