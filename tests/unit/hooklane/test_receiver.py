"""The demo receiver over real HTTP."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks import Webhook

from hooklane.output import Paint
from hooklane.receiver import Arrival, Receiver, describe
from hooklane.signature import Rejected, Verified

KEY = b"k" * 32
NOW_S = 1_700_000_000
PLAIN = Paint(is_on=False)


@pytest.fixture
async def arrivals() -> list[Arrival]:
    """Collect what arrives."""
    return []


@pytest.fixture
async def url(arrivals: list[Arrival]) -> AsyncIterator[str]:
    """Give the address of a running receiver."""
    receiver = Receiver(key=KEY, now_s=lambda: NOW_S, on_arrival=arrivals.append)
    port = await receiver.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await receiver.stop()
    await receiver.stop()


def signed(body: bytes) -> dict[str, str]:
    """Sign by the official library."""
    secret = "whsec_" + base64.b64encode(KEY).decode()
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(NOW_S, UTC), body.decode())
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(NOW_S),
        "Webhook-Signature": signature,
        "ce-type": "order.paid",
    }


async def test_a_signed_post_is_taken(url: str, arrivals: list[Arrival]) -> None:
    """Any path, any case of header names: 204 and a verified arrival with the exact body."""
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{url}/a/b?c", data=b'{"a":1} ', headers=signed(b'{"a":1} '))

    assert answer.status == 204
    assert arrivals[0].is_verified
    assert arrivals[0].body == b'{"a":1} '


async def test_a_forged_post_is_turned_away(url: str, arrivals: list[Arrival]) -> None:
    """A body that was not signed gets 401 and is shown as not verified."""
    async with aiohttp.ClientSession() as session:
        answer = await session.post(url, data=b"forged", headers=signed(b"real"))

    assert answer.status == 401
    assert not arrivals[0].is_verified


async def test_health_is_answered(url: str) -> None:
    """Compose asks this path."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (Verified("msg_1", NOW_S), "verified"),
        (Rejected("the signature does not match"), "NOT VERIFIED: the signature does not match"),
        (None, "not checked"),
    ],
)
def test_a_delivery_is_described(verdict: Verified | Rejected | None, shown: str) -> None:
    """Type, attempt, sequence, ids, attributes, verdict and body are on the screen."""
    headers = {
        "ce-type": "order.paid",
        "webhook-id": "msg_1",
        "webhook-attempt": "2",
        "webhook-sequence": "7",
    }

    text = describe(Arrival(headers, b'{"amount": 1}', verdict), PLAIN)

    for part in ("order.paid", "attempt 2", "sequence 7", "msg_1", shown, '{"amount": 1}'):
        assert part in text


def test_a_long_or_binary_body_is_cut_for_the_screen() -> None:
    """Nothing that arrives can flood the terminal or break its encoding."""
    text = describe(Arrival({}, b"\xff" * 10_000, None), PLAIN)

    assert len(text) < 1000
    assert text.endswith("…")
