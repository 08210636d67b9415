"""Test the mapping of answers; what happens on the wire is tested on sockets elsewhere."""

import socket

from chassis.egress import EgressPolicy, IPAddress
from deliverer.sender.port import PreparedRequest
from deliverer.sender.sender import HttpSender, outcome_of
from schemas.outcome import Outcome


def test_every_final_status_has_its_outcome() -> None:
    """410 and 429 stand out of their class."""
    special = {410: "http_410", 429: "http_429"}
    classes = {2: "delivered", 3: "http_3xx", 4: "http_4xx", 5: "http_5xx"}

    for status in range(200, 600):
        assert outcome_of(status) == special.get(status, classes[status // 100])


async def test_a_blocked_request_ends_without_a_connection() -> None:
    """The result says why and was counted as no connection."""

    async def dial(address: IPAddress, port: int) -> socket.socket:
        raise AssertionError(f"dialled {address}")

    counted: list[bool] = []
    sender = HttpSender(EgressPolicy(), on_connection=counted.append, dial=dial)
    request = PreparedRequest(
        scheme="https",
        host="127.0.0.1",
        port=443,
        target=b"/",
        head=b"POST / HTTP/1.1\r\n\r\n",
        body=b"",
        timeout_s=1.0,
    )

    result = await sender.send(request)
    await sender.close()

    assert (result.outcome, result.blocked_reason) == (Outcome.BLOCKED, "address")
    assert counted == []
