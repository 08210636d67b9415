"""Processes that were frozen while what they must obey changed, and thaw with old answers."""

import asyncio
import signal

import aiohttp
import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack
from tests.fault.conftest import BreakableStack
from tests.fault.figures import Note
from tests.fault.load import now_s, pass_time
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

OBEYED_S = 5.0
"""So long after an acknowledged pause may attempts still start (P9)."""
REVOKED_S = 2.0
"""So long after a revocation may a key still count."""
ANSWERED_S = 0.5
"""After so long Kafka has answered, with nothing, what a process had asked when it froze."""
EVENTS = 400


@pytest.mark.parametrize("change", ["paused", "disabled", "deleted"])
async def test_a_thawed_deliverer_sends_nothing_to_who_was_stopped_meanwhile(
    breakable: BreakableStack, receiver: Receiver, note: Note, change: str
) -> None:
    """Frozen before the change, thawed with Kafka silent: its socket holds an older answer."""
    stack, path = breakable.stack, "acme"
    services = {service.name: service for service in await stack.start()}
    receiver.delays_s[path] = 0.05
    made = await stack.subscribe("acme", receiver.url(path), ordering="none", max_in_flight=2)
    events = [{"subscriber": "acme", "type": "a.b", "data": {"n": n}} for n in range(EVENTS)]
    assert (await stack.api("POST", "/v1/events/batch", json=events))[0] == 202
    await receiver.until(lambda: len(receiver.at(path)) >= 20, within_s=60)

    services["deliverer"].signal(signal.SIGSTOP)
    await pass_time(ANSWERED_S)
    place = f"/v1/subscribers/acme/subscriptions/{made['id']}"
    if change == "deleted":
        assert (await stack.api("DELETE", place))[0] == 204
    else:
        assert (await stack.api("PATCH", place, json={"status": change}))[0] == 200
    stopped_s = now_s()
    await pass_time(OBEYED_S + 0.5)
    breakable.broker.pause()
    services["deliverer"].signal(signal.SIGCONT)
    await pass_time(4.5)
    breakable.broker.resume()
    await pass_time(6)

    late = [one.arrived_s for one in receiver.at(path) if one.arrived_s > stopped_s + OBEYED_S]
    note("requests after all", len(late))
    assert late == []
    assert len(receiver.at(path)) < EVENTS


async def test_a_thawed_gateway_lets_no_revoked_key_in(stack: Stack) -> None:
    """Neither to read, nor to send, nor to make another key; one that is good gets in again."""
    await stack.start("gateway")
    port = free_port()
    other = await stack.spawn("gateway", HOOKLANE_GATEWAY__PORT=str(port))
    await stack.ready(other)
    admin = {"name": "k", "scopes": ["admin"]}
    _, revoked = await stack.api("POST", "/v1/keys", json=admin)
    _, kept = await stack.api("POST", "/v1/keys", json=admin)
    event = {"subscriber": "acme", "type": "a.b", "data": 1}
    asked = [("GET", "/v1/keys", None), ("POST", "/v1/events", event), ("POST", "/v1/keys", admin)]

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:

        async def statuses(key: str) -> list[int]:
            headers = {"Authorization": f"Bearer {key}"}

            async def status(method: str, path: str, body: object) -> int:
                async with client.request(method, path, headers=headers, json=body) as answer:
                    return answer.status

            return list(await asyncio.gather(*(status(*one) for one in asked)))

        async def known() -> bool:
            return all(status < 300 for status in await statuses(revoked["key"]))

        async with asyncio.timeout(20):
            while not await known():
                await pass_time(0.1)
        other.signal(signal.SIGSTOP)
        await pass_time(ANSWERED_S)
        assert (await stack.api("DELETE", f"/v1/keys/{revoked['id']}"))[0] == 204
        await pass_time(REVOKED_S + 0.5)
        waiting = [asyncio.create_task(statuses(one["key"])) for one in (revoked, kept)]
        await pass_time(0.5)  # they lie in its sockets now
        other.signal(signal.SIGCONT)
        after, good = await asyncio.gather(*waiting)

    assert set(after) <= {401, 503}, after
    assert good == [200, 202, 201]
