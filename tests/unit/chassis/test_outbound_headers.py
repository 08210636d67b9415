"""Test which header fields a subscriber may add."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.outbound_headers import check_custom_header


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "user-agent", "x_y"])
def test_ordinary_headers_are_allowed(name: str) -> None:
    """Credentials and names of the receiver's own go out as they are."""
    assert check_custom_header(name, "Bearer abc def") is None


@pytest.mark.parametrize(
    "name",
    [
        "Host", "Connection", "Transfer-Encoding", "Content-Length", "content-type", "Expect",
        "TE", "Trailer", "Keep-Alive", "Content-Encoding", "Proxy-Connection",
        "Cookie", "Webhook-Signature", "webhook-anything", "CE-id", "X-Forwarded-For", "Upgrade",
        "Proxy-Authorization", "Metadata-Flavor", "X-aws-ec2-metadata-token", "Metadata",
        "traceparent", "", "a b", "a:b", "a\r\nb", "é", "x" * 129,
    ],
)  # fmt: skip
def test_framing_identity_and_metadata_headers_are_refused(name: str) -> None:
    """None of them may be set, or smuggled in by its name (B121)."""
    assert check_custom_header(name, "x") is not None


@pytest.mark.parametrize(
    "value",
    ["a\r\nb", "a\nb", "a\rb", "\ud800", "a\x00", " zz", "zz ", "a\tb", "é", "x" * 4097, "\x7f"],
)
def test_values_that_could_change_the_head_are_refused(value: str) -> None:
    """Visible ASCII up to 4,096 characters, blanks only inside."""
    reason = check_custom_header("x-a", value)

    assert reason is not None
    assert value not in reason


@given(st.text(max_size=30))
def test_an_accepted_value_never_holds_a_line_break(value: str) -> None:
    """Whatever passes stands on one line."""
    if check_custom_header("x-a", value) is None:
        assert "\r" not in value
        assert "\n" not in value
        assert value.isascii()
