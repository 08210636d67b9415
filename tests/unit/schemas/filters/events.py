"""Events for the tests of filters."""

import orjson

from schemas.event import Event


def event(data: object = None, **attributes: object) -> Event:
    """Return an event with JSON data, or with raw bytes."""
    raw = data if isinstance(data, bytes) else orjson.dumps(data)
    fields: dict[str, object] = {
        "subscriber": "acme",
        "id": "1",
        "source": "/shop",
        "type": "order.paid",
        "data": raw,
        **attributes,
    }
    return Event(**fields)  # type: ignore[arg-type]  # tests also pass what a type would refuse
