"""The demo's two calls, against a gateway of a few lines."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from hooklane.dev.plan import StackPlan
from hooklane.dev.story import Published, tell
from hooklane.exits import FAILURE, NETWORK, CommandFailed
from hooklane.kafka_properties import free_ports

SUBSCRIPTIONS = "/v1/subscribers/acme/subscriptions"


@pytest.fixture
def plan() -> StackPlan:
    """Give a plan with a free gateway port."""
    return StackPlan("127.0.0.1:9", "p", free_ports(1)[0], {}, "root-key", "v")


class Gateway:
    """Answers as the contract says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, object]] = []
        self.event_status = 202

    async def answer(self, request: web.Request) -> web.Response:
        """Serve both calls."""
        key = request.headers.get("authorization")
        self.asked.append((request.path, key, await request.json()))
        if request.path == SUBSCRIPTIONS:
            return web.json_response({"id": "sub_1"}, status=201)
        body = {"id": "evt_1", "webhook_id": "msg_1", "partition": 2, "offset": 0}
        return web.json_response(body, status=self.event_status)


@pytest.fixture
async def gateway(plan: StackPlan) -> AsyncIterator[Gateway]:
    """Serve the fake gateway."""
    served = Gateway()
    app = web.Application()
    app.router.add_post("/{path:.*}", served.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", plan.gateway_port).start()
    yield served
    await runner.cleanup()


async def test_a_subscription_and_an_event_are_made(plan: StackPlan, gateway: Gateway) -> None:
    """Both calls carry the root key; what was answered is said."""
    said: list[str] = []

    published = await tell(plan, hook_url="http://h/hooks", secret="whsec_x", say=said.append)

    assert published == Published("evt_1", "msg_1")
    assert [path for path, _, _ in gateway.asked] == [SUBSCRIPTIONS, "/v1/events"]
    assert {key for _, key, _ in gateway.asked} == {"Bearer root-key"}
    assert any("evt_1" in line and "partition 2" in line for line in said)
    assert not any("whsec_" in line for line in said)


async def test_a_refusal_shows_the_answer(plan: StackPlan, gateway: Gateway) -> None:
    """Status and body of a refused call are in the line."""
    gateway.event_status = 503

    with pytest.raises(CommandFailed, match="/v1/events answered 503") as caught:
        await tell(plan, hook_url="http://h/hooks", secret="whsec_x", say=print)

    assert caught.value.code == FAILURE


async def test_no_gateway_is_a_network_failure(plan: StackPlan) -> None:
    """Nobody listens: exit 5."""
    with pytest.raises(CommandFailed) as caught:
        await tell(plan, hook_url="http://h/hooks", secret="whsec_x", say=print)

    assert caught.value.code == NETWORK
