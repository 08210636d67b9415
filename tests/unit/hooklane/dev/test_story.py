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
        self.missed = 0
        self.code = "unavailable"

    async def answer(self, request: web.Request) -> web.Response:
        """Serve both calls."""
        key = request.headers.get("authorization")
        self.asked.append((request.path, key, await request.json()))
        if self.missed:
            self.missed -= 1
            return web.json_response({"code": self.code}, status=503)
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


async def test_what_was_not_written_in_time_is_asked_for_again(
    plan: StackPlan, gateway: Gateway
) -> None:
    """A demo on a busy machine does not fail for the first write to a young Kafka."""
    gateway.missed = 2

    published = await tell(plan, hook_url="http://h/hooks", secret="whsec_x", say=print)

    assert published.event_id == "evt_1"
    assert [path for path, _, _ in gateway.asked] == [SUBSCRIPTIONS] * 3 + ["/v1/events"]


@pytest.mark.parametrize(("code", "times"), [("unavailable", 5), ("unknown", 1)])
async def test_asking_again_has_an_end_and_makes_no_second(
    plan: StackPlan, gateway: Gateway, code: str, times: int
) -> None:
    """A write that may have been made is not repeated."""
    gateway.missed, gateway.code = 9, code

    with pytest.raises(CommandFailed, match=f"answered 503: .*{code}"):
        await tell(plan, hook_url="http://h/hooks", secret="whsec_x", say=print)

    assert len(gateway.asked) == times


async def test_no_gateway_is_a_network_failure(plan: StackPlan) -> None:
    """Nobody listens: exit 5."""
    with pytest.raises(CommandFailed) as caught:
        await tell(plan, hook_url="http://h/hooks", secret="whsec_x", say=print)

    assert caught.value.code == NETWORK
