"""Tests of the outcome list."""

from schemas.outcome import Outcome

CONTRACT = (
    "delivered http_3xx http_4xx http_410 http_429 http_5xx timeout connect_error connection_lost "
    "tls_error dns_error protocol_error blocked aborted cancelled local_fault"
)


def test_outcomes_are_the_closed_list_of_the_contract() -> None:
    """The values are a metric label and a record field: none may appear or vanish."""
    assert " ".join(Outcome) == CONTRACT
