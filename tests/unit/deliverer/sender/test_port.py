"""Test the values that cross the port."""

import pytest

from deliverer.sender.port import AttemptResult, PreparedRequest
from schemas.outcome import Outcome


def test_a_result_needs_only_its_outcome() -> None:
    """Everything else is absent unless the receiver said it."""
    result = AttemptResult(outcome=Outcome.TIMEOUT)

    assert (result.status, result.retry_after, result.response) == (None, None, b"")


def test_a_prepared_request_cannot_be_changed() -> None:
    """The bytes that were signed are the bytes that are sent."""
    request = PreparedRequest(
        scheme="https", host="a", port=443, target=b"/", head=b"", body=b"", timeout_s=1.0
    )

    with pytest.raises(AttributeError):
        request.body = b"x"  # type: ignore[misc]  # the point of the test


def test_a_prepared_request_does_not_show_what_it_holds() -> None:
    """Its head may carry credentials, its host is sealed."""
    request = PreparedRequest(
        scheme="https", host="a.example", port=443, target=b"/t", head=b"h", body=b"b", timeout_s=1
    )

    assert repr(request) == "PreparedRequest(<1+1 bytes>)"
