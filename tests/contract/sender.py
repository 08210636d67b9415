"""What every sender must do: the one suite behind `deliverer.sender.port.Sender`.

Subclass, give the fixtures `sender` and `requests`, and pytest runs the contract. `requests` maps
three words to prepared requests: `accepting` is answered 204, `failing` 500 with the body `no`,
`hanging` never, with a timeout of at most a second.
"""

import asyncio
from collections.abc import Mapping

import pytest

from deliverer.sender.port import PreparedRequest, Sender
from schemas.outcome import Outcome

Requests = Mapping[str, PreparedRequest]


class SenderContract:
    """The behaviour an attempt relies on."""

    async def test_a_2xx_is_delivered(self, sender: Sender, requests: Requests) -> None:
        """With the receiver's own status."""
        result = await sender.send(requests["accepting"])

        assert (result.outcome, result.status) == (Outcome.DELIVERED, 204)

    async def test_a_failure_is_a_value(self, sender: Sender, requests: Requests) -> None:
        """Outcome, status and the start of the answer; nothing is raised."""
        result = await sender.send(requests["failing"])

        assert (result.outcome, result.status) == (Outcome.HTTP_5XX, 500)
        assert result.response == b"no"

    async def test_silence_ends_with_the_timeout(self, sender: Sender, requests: Requests) -> None:
        """It has no status, as nothing was answered."""
        async with asyncio.timeout(10):
            result = await sender.send(requests["hanging"])

        assert (result.outcome, result.status) == (Outcome.TIMEOUT, None)

    async def test_what_may_not_be_sent_is_cancelled(
        self, sender: Sender, requests: Requests
    ) -> None:
        """Asked right before the bytes are written; nothing is sent and nobody is charged."""
        result = await sender.send(requests["accepting"], may_send=lambda: False)

        assert (result.outcome, result.status) == (Outcome.CANCELLED, None)

    async def test_a_cancelled_attempt_ends_at_once(
        self, sender: Sender, requests: Requests
    ) -> None:
        """CancelledError is the one thing that is raised."""
        sending = asyncio.create_task(sender.send(requests["hanging"]))
        await asyncio.sleep(0)

        sending.cancel()

        with pytest.raises(asyncio.CancelledError):
            await sending

    async def test_attempts_do_not_wait_for_one_another(
        self, sender: Sender, requests: Requests
    ) -> None:
        """A hanging receiver holds up nobody else."""
        hanging = asyncio.create_task(sender.send(requests["hanging"]))

        results = await asyncio.gather(*(sender.send(requests["accepting"]) for _ in range(5)))

        assert {result.outcome for result in results} == {Outcome.DELIVERED}
        await hanging
