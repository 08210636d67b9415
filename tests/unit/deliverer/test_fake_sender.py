"""The fake sender keeps the port's contract."""

import pytest

from deliverer.sender.port import AttemptResult, PreparedRequest, Sender
from schemas.outcome import Outcome
from tests.contract.sender import Requests, SenderContract
from tests.fakes.sender import FakeSender


class TestFakeSender(SenderContract):
    """The contract, without a network."""

    @pytest.fixture
    def sender(self) -> Sender:
        """Give a sender with one failing and one hanging host."""
        failed = AttemptResult(outcome=Outcome.HTTP_5XX, status=500, response=b"no")
        sender = FakeSender({"failing": failed})
        sender.hangs.add("hanging")
        return sender

    @pytest.fixture
    def requests(self) -> Requests:
        """Give one request per host."""
        return {
            host: PreparedRequest(
                scheme="https", host=host, port=443, target=b"/", head=b"", body=b"", timeout_s=0.05
            )
            for host in ("accepting", "failing", "hanging")
        }
