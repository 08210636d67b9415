"""The port of the registry, and its fake."""

import orjson
import pytest

from gateway.registry import Stored
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord
from schemas.registry import SubscriptionRecord, decode_subscription
from tests.contract.gateway import RegistryContract, ShelfContract, raw_record
from tests.fakes.gateway import MemoryRegistry, MemoryShelf, MemoryTopic


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


class TestMemoryShelf(ShelfContract):
    """So does the fake of a shelf."""

    @pytest.fixture
    def shelf(self) -> MemoryShelf[EventTypeRecord]:
        """Give the fake."""
        topic = MemoryTopic()
        return MemoryShelf(topic, "event-type", EventTypeRecord, holder=EVENT_TYPES_SUBSCRIBER)
