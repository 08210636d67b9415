"""What must hold after any fault: counted by id, from the log and from the receivers."""

from collections import Counter

from tests.e2e.log import header, read_topic
from tests.e2e.receiver import Receiver, first_attempts
from tests.e2e.stack import Stack, eventually
from tests.fault.load import SUBSCRIBERS, Load

Repeat = tuple[float, float]
"""When a delivery was answered with 2xx, and when it came again nevertheless."""


async def subscribe_all(stack: Stack, receiver: Receiver) -> None:
    """Give each subscriber one strict subscription at a path of its name."""
    for name in SUBSCRIBERS:
        await claimed(stack, name)
        created = await stack.subscribe(name, receiver.url(name))
        receiver.secrets[name] = created["secret"]


async def claimed(stack: Stack, subscriber: str) -> None:
    """Write to a subscriber's registry partition until it takes writes: a first claim may be slow.

    What may be repeated comes first, so that what may not be is not left in doubt by a 503.
    """

    async def has_written() -> bool:
        status, answer = await stack.api("PUT", f"/v1/subscribers/{subscriber}", json={})
        assert status in {200, 201, 503}, answer
        return status != 503

    await eventually(has_written, within_s=60, what=f"{subscriber} is written")


async def judge(stack: Stack, receiver: Receiver, load: Load, *, within_s: float) -> list[Repeat]:
    """Assert that nothing was lost, doubled in the log or reordered; give the repeats."""
    await receiver.until(
        lambda: all(
            set(load.accepted[name]) <= set(receiver.accepted(name)) for name in SUBSCRIBERS
        ),
        within_s=within_s,
    )
    deliveries = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.deliveries")
    pairs = Counter(
        (envelope["webhook_id"], envelope["subscription"])
        for envelope in (header(record, "delivery") for record in deliveries)
    )
    assert set(pairs.values()) == {1}, "fan-out is exactly once"
    found: list[Repeat] = []
    for name in SUBSCRIBERS:
        arrived = first_attempts(receiver.at(name))
        assert arrived == load.accepted[name], "every event, once in order"
        assert all(delivery.verified for delivery in receiver.at(name))
        found += repeats_at(receiver, name)
    return found


def repeats_at(receiver: Receiver, path: str) -> list[Repeat]:
    """List what came again at a path after it had been answered with 2xx."""
    answered: dict[str, float] = {}
    found = []
    for delivery in receiver.at(path):
        if delivery.webhook_id in answered:
            found.append((answered[delivery.webhook_id], delivery.arrived_s))
        elif delivery.is_accepted:
            answered[delivery.webhook_id] = delivery.arrived_s
    return found
