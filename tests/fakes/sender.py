"""A sender without a network: answers by host name, keeps what it was asked to send."""

import asyncio
from collections.abc import Mapping

from deliverer.sender.port import (
    AttemptResult,
    Cut,
    Ended,
    MaySend,
    PreparedRequest,
    Sender,
    always,
)
from schemas.outcome import Outcome

DELIVERED = AttemptResult(outcome=Outcome.DELIVERED, status=204)


class FakeSender:
    """Passes tests/contract/sender.py; a host without an answer accepts."""

    def __init__(self, answers: Mapping[str, AttemptResult] | None = None) -> None:
        self.answers = dict(answers or {})
        self.requests: list[PreparedRequest] = []
        self.hangs: set[str] = set()

    def begin(self, request: PreparedRequest, ended: Ended, *, may_send: MaySend = always) -> Cut:
        """Answer later; a task waits for it."""
        task = asyncio.create_task(self._send(request, may_send))

        def tell(done: "asyncio.Task[AttemptResult]") -> None:
            ended(done.result())

        task.add_done_callback(tell)

        def cut() -> None:
            task.remove_done_callback(tell)
            task.cancel()

        return cut

    async def _send(self, request: PreparedRequest, may_send: MaySend) -> AttemptResult:
        """Answer; a host in `hangs` never does until its timeout."""
        if not may_send():
            return AttemptResult(outcome=Outcome.CANCELLED)
        self.requests.append(request)
        if request.host in self.hangs:
            try:
                async with asyncio.timeout(request.timeout_s):
                    await asyncio.Event().wait()
            except TimeoutError:
                return AttemptResult(outcome=Outcome.TIMEOUT)
        return self.answers.get(request.host, DELIVERED)


async def sent(
    sender: Sender, request: PreparedRequest, *, may_send: MaySend = always
) -> AttemptResult:
    """Send one request and wait for its end; who is cancelled meanwhile cuts it off."""
    done: asyncio.Future[AttemptResult] = asyncio.get_running_loop().create_future()

    def ended(result: AttemptResult) -> None:
        if not done.done():  # who waited may have been cancelled in the same turn
            done.set_result(result)

    cut = sender.begin(request, ended, may_send=may_send)
    try:
        return await done
    finally:
        cut()
