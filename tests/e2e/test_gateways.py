"""Several gateways at once: whoever writes a registry partition fences the others, for a moment."""

import asyncio
from typing import Any

import pytest

from tests.e2e.stack import Stack
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

WRITES = 10
TRIES_MAX = 20


async def _write(stack: Stack, port: int, name: str) -> list[dict[str, Any]]:
    """Create subscriptions of one subscriber one after the other; a 503 is tried again."""
    url = f"http://127.0.0.1:{port}/v1/subscribers/acme/subscriptions"
    made: list[dict[str, Any]] = []
    for number in range(WRITES):
        body = {"url": "https://example.com/hook", "description": f"{name}-{number}"}
        for _ in range(TRIES_MAX):
            async with stack.session.post(url, json=body) as answer:
                assert answer.status in {201, 503}, await answer.text()
                if answer.status == 201:
                    made.append(await answer.json())
                    break
        assert len(made) == number + 1, f"{name} makes no progress"
    return made


async def test_two_gateways_write_the_same_registry_partition(stack: Stack) -> None:
    """Both make progress, and each one shows what both have written."""
    other_port = free_port()
    await stack.start("gateway")
    await stack.ready(await stack.spawn("gateway", HOOKLANE_GATEWAY__PORT=str(other_port)))

    mine, theirs = await asyncio.gather(
        _write(stack, stack.gateway_port, "one"), _write(stack, other_port, "other")
    )
    ids = {one["id"] for one in mine + theirs}

    assert len(ids) == 2 * WRITES
    for port in (stack.gateway_port, other_port):
        url = f"http://127.0.0.1:{port}/v1/subscribers/acme/subscriptions?limit=100"
        async with stack.session.get(url) as answer:
            listed = await answer.json()
        assert {one["id"] for one in listed["items"]} == ids
