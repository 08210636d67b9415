"""`hooklane listen` beside the real services: what it takes, passes on and leaves behind."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from standardwebhooks import Webhook

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SUBSCRIPTIONS = "/v1/subscribers/acme/subscriptions"


@asynccontextmanager
async def listening(stack: Stack, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command from the moment that its subscription is there."""
    variables = {
        "HOOKLANE_URL": f"http://127.0.0.1:{stack.gateway_port}",
        "HOOKLANE_KEY": stack.root_key,
        "WEBHOOK_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hooklane", "listen", "--subscriber", "acme", *options,
        env=stack.environment | variables,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"Ctrl-C ends it" not in (line := await process.stderr.readline()):
                assert line, "it ended before it listened"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_what_is_listened_to_arrives_and_nothing_is_left(
    stack: Stack, receiver: Receiver
) -> None:
    """In order and verified, here and by the program behind it; the subscription ends with it."""
    await stack.start()
    url = receiver.url("app")
    options = ("--event-type", "order.*", "--forward-to", url, "-o", "json")

    async with listening(stack, *options) as process, asyncio.timeout(60):
        await stack.publish("acme", {"n": 1})
        await stack.publish("acme", {"n": 2})
        assert process.stdout is not None
        rows = [json.loads(await process.stdout.readline()) for _ in range(2)]
        _, meanwhile = await stack.api("GET", SUBSCRIPTIONS)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    _, afterwards = await stack.api("GET", SUBSCRIPTIONS)

    assert [(row["verified"], row["answered"]) for row in rows] == [(True, 204), (True, 204)]
    assert [json.loads(row["body"])["n"] for row in rows] == [1, 2]
    assert len(receiver.at("app")) == 2
    for delivery in receiver.at("app"):
        Webhook(SECRET).verify(delivery.body, delivery.headers)
    assert (len(meanwhile["items"]), afterwards["items"]) == (1, [])
    assert process.returncode == 0
