"""What must hold after any fault: counted by id, from the log and from the receivers."""

from collections import Counter

from tests.e2e.log import header, read_topic
from tests.e2e.receiver import Receiver, first_attempts
from tests.e2e.stack import Stack
from tests.fault.load import SUBSCRIBERS, Load


async def subscribe_all(stack: Stack, receiver: Receiver) -> None:
    """Give each subscriber one strict subscription at a path of its name."""
    for name in SUBSCRIBERS:
        created = await stack.subscribe(name, receiver.url(name))
        receiver.secrets[name] = created["secret"]


async def judge(stack: Stack, receiver: Receiver, load: Load, *, within_s: float) -> int:
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
    for name in SUBSCRIBERS:
        arrived = first_attempts(receiver.at(name))
        assert arrived == load.accepted[name], "every event, once in order"
        assert all(delivery.verified for delivery in receiver.at(name))
    return len(receiver.received) - load.count
