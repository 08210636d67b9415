"""Test the address of an egress proxy and the reading of its answers."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.egress_proxy import ProxyAddress, judge_tunnel


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128),
        ("http://proxy.example:3128/", "proxy.example", 3128),
        ("http://squid:3128", "squid", 3128),
        ("http://10.0.0.7", "10.0.0.7", 80),
        ("http://[fd00::1]:8080", "fd00::1", 8080),
    ],
)
def test_a_proxy_may_be_anywhere(text: str, host: str, port: int) -> None:
    """The operator chose it, so names and addresses of private networks are fine."""
    proxy = ProxyAddress.parse(text)

    assert (proxy.host, proxy.port, proxy.login) == (host, port, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://", "http://a:0",
        "http://a/path", "http://a?x", "http://u:secret-pw@", "http://u:secret-pw@a/b",
        "http://u:secret-pw@a@b", "http://a:1\r\nX: y",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_being_quoted(text: str) -> None:
    """The text may hold a password."""
    with pytest.raises(ValueError, match="not a proxy") as caught:
        ProxyAddress.parse(text)

    assert "secret-pw" not in str(caught.value)


def test_a_request_for_a_tunnel_carries_the_login_and_shows_it_nowhere_else() -> None:
    """User and password may be percent-encoded in the URL."""
    proxy = ProxyAddress.parse("http://us%40er:p%3Aw@proxy.example:3128")

    head = proxy.connect_head("hooks.example", 443)

    login = base64.b64encode(b"us@er:p:w").decode()
    assert head == (
        b"CONNECT hooks.example:443 HTTP/1.1\r\nhost: hooks.example:443\r\n"
        b"proxy-authorization: Basic " + login.encode() + b"\r\n\r\n"
    )
    assert login not in repr(proxy)


def test_an_address_of_ipv6_is_bracketed() -> None:
    """As authorities are written; without a login there is no such field."""
    head = ProxyAddress.parse("http://a.example:1").connect_head("2606:4700::1", 443)

    assert head == b"CONNECT [2606:4700::1]:443 HTTP/1.1\r\nhost: [2606:4700::1]:443\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        (b"HTTP/1.1 200 Connection established\r\n", "open"),
        (b"HTTP/1.0 200\r\nVia: x\r\n", "open"),
        (b"HTTP/1.1 403 Forbidden\r\n", "denied"),
        (b"HTTP/1.1 407 Request rejected by proxy\r\n", "denied"),
        (b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\n", "fault"),
        (b"HTTP/1.1 502 Bad Gateway\r\n", "unreachable"),
        (b"HTTP/1.1 504 Gateway Timeout\r\n", "unreachable"),
        (b"HTTP/1.1 503 Busy\r\n", "fault"),
        (b"HTTP/1.1 429 Slow\r\n", "fault"),
        (b"HTTP/1.1 301 Elsewhere\r\nLocation: http://x/\r\n", "fault"),
        (b"HTTP/1.1 100 Continue\r\n", "fault"),
        (b"HTTP/2 200\r\n", "fault"),
        (b"HTTP/1.1 2000 No\r\n", "fault"),
        (b"SSH-2.0\r\n", "fault"),
    ],
)
def test_an_answer_of_the_proxy_is_judged(head: bytes, verdict: str) -> None:
    """Only its word about the target counts against the target."""
    assert judge_tunnel(head) == verdict


@given(st.binary(max_size=200))
def test_any_answer_gives_a_verdict(head: bytes) -> None:
    """A broken proxy is a fault of ours, never an exception."""
    assert judge_tunnel(b"\x00" + head) == "fault"
