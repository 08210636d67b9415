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


@pytest.mark.parametrize("member", [b'"\xff"', b"1e999"])
def test_of_a_record_that_is_no_json_the_rest_is_given(member: bytes) -> None:
    """We skip members that we do not know; a write would fail for ever on one of these."""
    raw = raw_record("sub_1", sealed="")
    value = orjson.dumps(raw)
    record = decode_subscription(value[:-1] + b',"of_the_future":' + member + b"}")
    assert isinstance(record, SubscriptionRecord)

    given = Stored(record, value[:-1] + b',"of_the_future":' + member + b"}").raw()

    assert "of_the_future" not in given
    assert raw.items() <= given.items()
    assert decode_subscription(orjson.dumps(given)) == record


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
