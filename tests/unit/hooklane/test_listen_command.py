"""`hooklane listen` against a fake gateway; the test delivers as the deliverer would."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from standardwebhooks import Webhook

from hooklane.exits import FAILURE, INVALID, CommandFailed
from hooklane.listen_command import ListenOptions, listen, parse_filter, stop_at_signal
from hooklane.listening import MARK, Wish
from hooklane.surroundings import process_space
from tests.fakes.clock import ManualClock
from tests.fakes.management_api import ManagementApi
from tests.fakes.unread import Unread

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SUBSCRIPTIONS = "/v1/subscribers/acme/subscriptions"
CLOCK = ManualClock()
PATIENCE_S = 10.0


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """Serve for one test."""
    with ManagementApi() as serving:
        yield serving


@asynccontextmanager
async def listening(
    api: ManagementApi, form: str = "table", **options: Any
) -> AsyncIterator[dict[str, Any]]:
    """Listen until the block ends; gives the subscription that it made."""
    stop = asyncio.Event()
    variables = {**api.variables, "WEBHOOK_SECRET": SECRET}
    wanted = ListenOptions(Wish("acme", options.pop("types", ())), **options)
    running = asyncio.create_task(
        listen(variables, wanted, form, stop=stop, clock=CLOCK)  # type: ignore[arg-type] # a Form
    )
    async with asyncio.timeout(PATIENCE_S):
        while not (made := [one for one in api.subscriptions.values() if "url" in one]):
            assert not running.done(), running.result()
            await asyncio.sleep(0)
        yield made[0]
        if options.get("count") is None:
            stop.set()
        assert await running == 0


async def deliver(url: str, body: bytes, *, secret: str = SECRET) -> int:
    """POST a delivery that is signed by the official library; gives the status."""
    now_s = CLOCK.now_ms() // 1000
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(now_s, UTC), body.decode())
    headers = {
        "webhook-id": "msg_1", "webhook-timestamp": str(now_s), "webhook-signature": signature,
        "webhook-attempt": "1", "ce-type": "order.paid",
    }  # fmt: skip
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status


async def test_deliveries_are_shown_and_the_subscription_ends_with_it(
    api: ManagementApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verified ones are taken, forgeries turned away."""
    async with listening(api, types=["order.*"]) as made:
        taken = await deliver(made["url"], b'{"n":1}')
        forged = await deliver(made["url"], b"{}", secret="whsec_" + "QUJD" * 8)
        created = dict(made)

    shown = capsys.readouterr()
    assert (taken, forged) == (204, 401)
    assert "order.paid" in shown.out
    assert "NOT VERIFIED" in shown.out
    assert created["event_types"] == ["order.*"]
    assert api.writes() == [("POST", SUBSCRIPTIONS), ("DELETE", f"{SUBSCRIPTIONS}/sub_1")]
    assert "sub_1 deleted" in shown.err
    assert SECRET not in shown.out + shown.err


async def test_enough_is_enough(api: ManagementApi, capsys: pytest.CaptureFixture[str]) -> None:
    """`--count` ends it after so many accepted ones; each is a line of JSON when asked for."""
    async with listening(api, form="json", count=2) as made:
        url = made["url"]
        statuses = [
            await deliver(url, b'{"n":1}'),
            await deliver(url, b"{}", secret="whsec_" + "QUJD" * 8),
            await deliver(url, b'{"n":2}'),
        ]

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert statuses == [204, 401, 204]
    assert [(row["verified"], row["answered"]) for row in rows] == [
        (True, 204), (False, 401), (True, 204),
    ]  # fmt: skip


async def test_a_reader_who_leaves_ends_it_and_costs_no_answer(api: ManagementApi) -> None:
    """As in `| head`: else the gateway would try again what was taken, and `--count` never end."""
    with redirect_stdout(Unread()), pytest.raises(BrokenPipeError):
        async with listening(api, count=5) as made:
            taken = await deliver(made["url"], b"{}")

    assert taken == 204
    assert api.writes()[-1] == ("DELETE", f"{SUBSCRIPTIONS}/sub_1")


async def test_what_the_program_answers_is_answered(
    api: ManagementApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is there: 502, so the gateway tries again. A forgery is not passed on."""
    async with listening(api, forward_to="http://127.0.0.1:1/hooks") as made:
        refused = await deliver(made["url"], b"{}")
        forged = await deliver(made["url"], b"{}", secret="whsec_" + "QUJD" * 8)

    shown = capsys.readouterr()
    assert (refused, forged) == (502, 401)
    assert shown.out.count("forwarded") == 1
    assert "passed on to http://127.0.0.1:1/hooks" in shown.err


async def test_a_tunnel_is_what_the_gateway_is_told(api: ManagementApi) -> None:
    """Else its own address, with the port that was free."""
    async with listening(api, url="https://tunnel.example/x") as made:
        assert made["url"] == "https://tunnel.example/x"


async def test_what_a_killed_one_left_behind_is_deleted_first(api: ManagementApi) -> None:
    """Only where its process would be seen here, and only when that is no more."""
    space, host = process_space(), socket.gethostname()
    elsewhere = f"{host}-00000000-0000-4000-8000-000000000000-1/999999999"
    marks = [f"{space}/999999999", f"{space}/{os.getpid()}", f"{host}/999999999", elsewhere]
    for number, mark in enumerate(marks):
        name = f"sub_old{number}"
        api.subscriptions[name] = {
            "id": name, "subscriber": "acme", "version": 1, "headers": {}, "metadata": {MARK: mark}
        }  # fmt: skip

    async with listening(api):
        assert "sub_old0" not in api.subscriptions

    assert set(api.subscriptions) == {"sub_old1", "sub_old2", "sub_old3"}


async def test_a_gateway_that_may_not_come_here_gets_a_hint(api: ManagementApi) -> None:
    """What to do is said, and nothing is left behind."""
    refusal = {"code": "url_not_allowed", "detail": "a private address"}
    api.scripted["POST", SUBSCRIPTIONS] = (422, refusal)

    with pytest.raises(CommandFailed, match="--url") as caught:
        await listen(api.variables, ListenOptions(Wish("acme")), "table", stop=asyncio.Event())

    assert caught.value.code == INVALID


async def test_a_taken_port_is_named(api: ManagementApi) -> None:
    """Before anything is created."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ListenOptions(Wish("acme"), port=taken.getsockname()[1])

        with pytest.raises(CommandFailed, match="cannot listen on") as caught:
            await listen(api.variables, options, "table", stop=asyncio.Event())

    assert caught.value.code == FAILURE
    assert api.asked == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_ends_it_in_order_and_the_second_at_once(
    number: signal.Signals,
) -> None:
    """A gateway that does not answer must not hold the terminal."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    stop = asyncio.Event()
    try:
        stop_at_signal(stop)
        os.kill(os.getpid(), number)
        async with asyncio.timeout(PATIENCE_S):
            await stop.wait()

        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"a":' * 9_000])
def test_a_filter_is_a_json_object(text: str) -> None:
    """The rest is the gateway's to judge."""
    with pytest.raises(CommandFailed, match="--filter"):
        parse_filter(text)


def test_a_filter_is_read() -> None:
    """None stays none."""
    assert parse_filter('{"type": "a"}') == {"type": "a"}
    assert parse_filter(None) is None


async def test_a_secret_of_ones_own_must_be_one(api: ManagementApi) -> None:
    """It is never shown."""
    variables = {**api.variables, "WEBHOOK_SECRET": "whsec_short"}

    with pytest.raises(CommandFailed, match="WEBHOOK_SECRET") as caught:
        await listen(variables, ListenOptions(Wish("acme")), "table", stop=asyncio.Event())

    assert "short" not in str(caught.value).replace("WEBHOOK_SECRET", "")
