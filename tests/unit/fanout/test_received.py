"""Tests of what a record of `events` weighs."""

from fanout.received import size_of
from tests.fakes.fanout import FakeReceived


def test_a_record_weighs_its_key_value_and_headers() -> None:
    """Names as well; what is absent weighs nothing."""
    full = FakeReceived("t", 0, 0, 0, b"key", b"value", [("ab", b"c"), ("d", b"ef")])
    absent = FakeReceived("t", 0, 0, 0, None, None, [("ab", None)])  # type: ignore[list-item]  # brokers give it

    assert size_of(full) == 3 + 5 + 3 + 3
    assert size_of(absent) == 2
