"""What every sender must do: the one suite behind `deliverer.sender.port.Sender`.

Subclass, give the fixtures `sender` and `requests`, and pytest runs the contract. `requests` maps
three words to prepared requests: `accepting` is answered 204, `failing` 500 with the body `no`,
`hanging` never, with a timeout of at most a second.
"""

import asyncio
from collections.abc import Mapping

from deliverer.sender.port import AttemptResult, PreparedRequest, Sender
from schemas.outcome import Outcome
from tests.fakes.sender import sent

Requests = Mapping[str, PreparedRequest]


class SenderContract:
    """The behaviour an attempt relies on."""

    async def test_a_2xx_is_delivered(self, sender: Sender, requests: Requests) -> None:
        """With the receiver's own status."""
        result = await sent(sender, requests["accepting"])

        assert (result.outcome, result.status) == (Outcome.DELIVERED, 204)

    async def test_a_failure_is_a_value(self, sender: Sender, requests: Requests) -> None:
        """Outcome, status and the start of the answer; nothing is raised."""
        result = await sent(sender, requests["failing"])

        assert (result.outcome, result.status) == (Outcome.HTTP_5XX, 500)
        assert result.response == b"no"

    async def test_silence_ends_with_the_timeout(self, sender: Sender, requests: Requests) -> None:
        """It has no status, as nothing was answered."""
        async with asyncio.timeout(10):
            result = await sent(sender, requests["hanging"])

        assert (result.outcome, result.status) == (Outcome.TIMEOUT, None)

    async def test_what_may_not_be_sent_is_cancelled(
        self, sender: Sender, requests: Requests
    ) -> None:
        """Asked right before the bytes are written; nothing is sent and nobody is charged."""
        result = await sent(sender, requests["accepting"], may_send=lambda: False)

        assert (result.outcome, result.status) == (Outcome.CANCELLED, None)

    async def test_attempts_do_not_wait_for_one_another(
        self, sender: Sender, requests: Requests
    ) -> None:
        """A hanging receiver holds up nobody else."""
        hanging = asyncio.create_task(sent(sender, requests["hanging"]))

        results = await asyncio.gather(*(sent(sender, requests["accepting"]) for _ in range(5)))

        assert {result.outcome for result in results} == {Outcome.DELIVERED}
        await hanging

    async def test_a_begun_attempt_ends_later_and_once(
        self, sender: Sender, requests: Requests
    ) -> None:
        """Whoever begins it is in the middle of a step: nothing comes back before that is over."""
        ends: list[AttemptResult] = []
        has_ended = asyncio.Event()

        def ended(result: AttemptResult) -> None:
            ends.append(result)
            has_ended.set()

        sender.begin(requests["accepting"], ended)
        sender.begin(requests["accepting"], ended, may_send=lambda: False)
        assert ends == []

        async with asyncio.timeout(10):
            while len(ends) < 2:
                has_ended.clear()
                await has_ended.wait()
        assert sorted(end.outcome for end in ends) == [Outcome.CANCELLED, Outcome.DELIVERED]

    async def test_who_is_cut_off_hears_nothing(self, sender: Sender, requests: Requests) -> None:
        """Also not that the time is over."""
        ends: list[AttemptResult] = []
        cut = sender.begin(requests["hanging"], ends.append)
        await asyncio.sleep(0)

        cut()
        result = await sent(sender, requests["hanging"])

        assert result.outcome is Outcome.TIMEOUT
        assert ends == []
