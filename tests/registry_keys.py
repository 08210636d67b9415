"""Keys of the registry for tests that write its records themselves."""

from schemas.api_keys import KEYS_SUBSCRIBER
from schemas.event_types import EVENT_TYPES_SUBSCRIBER
from schemas.registry import registry_key


def event_type_key(name: str) -> bytes:
    """Return the record key of an event type."""
    return registry_key(EVENT_TYPES_SUBSCRIBER, "event-type", name)


def api_key_key(key_id: str) -> bytes:
    """Return the record key of an API key."""
    return registry_key(KEYS_SUBSCRIBER, "key", key_id)
