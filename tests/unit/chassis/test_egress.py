"""Test which URLs and addresses may be reached."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.egress import (
    AdmittedUrl,
    EgressPolicy,
    UrlRefused,
    admit_url,
    is_internal_name,
    is_public,
    parse_address,
    parse_url,
)

STRICT = EgressPolicy()
LAB = EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8", " 10.1.0.0/16", "fd00:1::/32"])

DENIED_IPV4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
]
DENIED_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"]


def _reference(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in ip_network(net) for net in DENIED_IPV4)
    denied = any(address in IPv6Network(net) for net in DENIED_IPV6)
    return address in IPv6Network("2000::/3") and not denied


def _edges(networks: list[str]) -> Iterator[tuple[str, bool]]:
    for text in networks:
        net = ip_network(text)
        make = type(net[0])
        for address in (net[0], net[net.num_addresses // 2], net[-1]):
            yield str(address), False
        for number in (int(net[0]) - 1, int(net[-1]) + 1):
            if 0 <= number < 2**net.max_prefixlen:
                neighbour = make(number)
                yield str(neighbour), _reference(neighbour)


@pytest.mark.parametrize(("text", "expected"), [*_edges(DENIED_IPV4), *_edges(DENIED_IPV6)])
def test_each_denied_range_ends_where_it_should(text: str, expected: bool) -> None:
    """First, middle and last address are denied; the neighbours are not (B101)."""
    assert is_public(ip_address(text)) is expected


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200",
        "192.0.0.192", "168.63.129.16", "::1", "::", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
        "100:0:0:1::1", "5f00::1", "4000::1", "255.255.255.255", "2001:0:1::1",
    ],
)  # fmt: skip
def test_metadata_services_and_local_addresses_are_not_public(text: str) -> None:
    """What `ipaddress` calls global in some Python version is denied all the same (B102)."""
    assert not is_public(ip_address(text))


def _embeddings(address: IPv4Address) -> list[IPv6Address]:
    number = int(address)
    prefixes = ["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "fe80::5efe:0:0"]
    found = [IPv6Address(int(IPv6Address(prefix)) | number) for prefix in prefixes]
    found.append(IPv6Address((0x2002 << 112) | (number << 80)))
    found.append(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)))
    found.append(IPv6Address((0x20010000 << 96) | (number << 64)))
    return found


@given(st.integers(0, 2**32 - 1))
def test_no_embedding_of_an_ipv4_address_is_public(number: int) -> None:
    """Mapped, compatible, SIIT, NAT64, ISATAP, 6to4 and Teredo forms are denied (B103, B122)."""
    assert not any(map(is_public, _embeddings(IPv4Address(number))))


@given(st.integers(0, 2**128 - 1) | st.integers(2**125, 2**126 - 1))
def test_ipv6_verdicts_equal_the_slow_reference(number: int) -> None:
    """The range search gives what trying each network gives (B122)."""
    address = IPv6Address(number)

    assert is_public(address) is _reference(address)


@given(st.integers(0, 2**32 - 1))
def test_ipv4_verdicts_equal_the_slow_reference(number: int) -> None:
    """The range search gives what trying each network gives (B122)."""
    address = IPv4Address(number)

    assert is_public(address) is _reference(address)


def test_an_address_with_a_zone_is_never_allowed() -> None:
    """A zone picks an interface of this host (B111)."""
    zoned = IPv6Address("2606:4700::1%lo")
    policy = EgressPolicy.of(allow_cidrs=["2606:4700::/32"])

    assert not is_public(zoned)
    assert not policy.is_permitted(zoned)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/Hook?a=1&b=%2F", "https://example.com/Hook?a=1&b=%2F"),
        ("https://example.com.", "https://example.com/"),
        ("https://example.com?token=x", "https://example.com/?token=x"),
        ("https://example.com:8443/users/@me", "https://example.com:8443/users/@me"),
        ("https://xn--mnchen-3ya.example/a|b", "https://xn--mnchen-3ya.example/a%7Cb"),
        ("https://93.184.215.14/x", "https://93.184.215.14/x"),
        ("https://[2606:4700:0:0::1111]:9443/", "https://[2606:4700::1111]:9443/"),
    ],
)
def test_a_public_url_gets_one_canonical_spelling(url: str, expected: str) -> None:
    """Case, default ports, trailing dot and address text are normalised; the path is not."""
    admitted = admit_url(url, STRICT)

    assert isinstance(admitted, AdmittedUrl)
    assert str(admitted) == expected


REFUSED = {
    "metadata names (B102)": ("dns", ["https://metadata.google.internal/", "https://metadata/"]),
    "numeric spellings (B104)": (
        "address",
        [
            "https://2130706433/", "https://0177.0.0.1/", "https://127.1/", "https://0/",
            "https://127.0.0.001/", "https://127.0.0.1./", "https://256.256.256.256/",
            "https://4294967297/", "https://127.0.0.1/", "https://[::1]/",
            "https://[::ffff:7f00:1]/", "https://[::FFFF:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
        ],
    ),
    "numbers that look like names (B105)": (
        "address", ["https://0x7f.1/", "https://0x7f000001/", "https://0x0/", "https://a.0x7f/"],
    ),
    "other alphabets (B106)": (
        "form",
        [
            "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://ⓛocalhost/",
            "https://exam\u00adple.com/", "https://exam\u200bple.com/", "https://\u202eexample.com/",
            "https://ex\u0430mple.com/", "https://straße.de/", "https://a_b.example.com/",
            f"https://{'a' * 64}.com/", "https://a..com/", "https://.com/", "https://-a.com/",
            f"https://{'a.' * 127}com/", "https://example.com../",
        ],
    ),
    "escapes in the host (B107)": (
        "form",
        ["https://127%2e0%2e0%2e1/", "https://a%2fb.com/", "https://a%00.com/", "https://%65xample.com"],
    ),
    "user parts (B108)": (
        "form",
        [
            "https://good.example@bad.example/", "https://bad:80@good.example/",
            "https://good.example\\@bad.example/", "https://good.example#@bad.example/",
            "https://good.example?@bad.example/", "https://good.example%2f@bad.example/",
        ],
    ),
    "other schemes (B109)": (
        "scheme",
        ["ftp://a.com/", "file:///etc/passwd", "gopher://a.com", "unix://a", "http+unix://a.com",
         "tcp://a.com:1", "ws://a.com", "wss://a.com", "jar://a.com", "LDAP://a.com",
         "http://a.com/"],
    ),
    "no scheme (B109)": (
        "form", ["//a.com/", "a.com", "data:text/plain,x", "javascript:alert(1)", "ht\ntps://a.com"],
    ),
    "ports (B110)": (
        "port",
        ["https://a.com:0/", "https://a.com:-1/", "https://a.com:65536/", "https://a.com:/",
         "https://a.com:00080/", "https://a.com:22/", "https://a.com:80/", "https://a.com:6379/",
         "https://a.com:9092/", "https://a.com:1a/", "https://[2606:4700::1]x/"],
    ),
    "digits of other alphabets (B110)": ("form", ["https://a.com:\u0664\u0664\u0663/"]),
    "brackets (B111)": (
        "address", ["https://[127.0.0.1]/", "https://[v1.fe80]/", "https://[::1/", "https://[]/",
                    "https://[fe80::1%25lo]/"],
    ),
    "blanks and controls (B112)": (
        "form",
        ["https://a.com/\t", " https://a.com/", "https://a.com/ ", "https://a.com/\r\nX: y",
         "https://a.com/\x00", "https://a.com\\b", "https://a.com/\x7f", ""],
    ),
    "names of private networks": (
        "dns",
        ["https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://db.local/",
         "https://api.ns.svc/", "https://api.ns.svc.cluster.local/", "https://intranet/"],
    ),
    "form": (
        "form", [f"https://a.com/{'x' * 2048}", "https://a.com/%zz", "https://a.com/#", "https://"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("url", "reason"), [(url, reason) for reason, urls in REFUSED.values() for url in urls]
)
def test_every_trick_is_refused_for_its_reason(url: str, reason: str) -> None:
    """One spelling passes; all others are refused before any look-up (B102 to B112)."""
    refused = admit_url(url, STRICT)

    assert isinstance(refused, UrlRefused)
    assert refused.reason == reason
    assert not url or url not in refused.detail


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9092/", "http://127.0.0.1:22/", "https://10.1.2.3:80/",
        "http://example.com/", "https://[fd00:1::5]:1/",
    ],
)  # fmt: skip
def test_permitted_networks_and_http_open_what_the_operator_named(url: str) -> None:
    """Inside a permitted network any port goes, for a host given as an address."""
    assert isinstance(admit_url(url, LAB), AdmittedUrl)


@pytest.mark.parametrize("url", REFUSED["names of private networks"][1])
def test_no_permit_opens_names_of_private_networks(url: str) -> None:
    """They mean something else on every host, so no network makes them admissible."""
    refused = admit_url(url, EgressPolicy.of(allow_http=True, allow_cidrs=["0.0.0.0/0", "::/0"]))

    assert isinstance(refused, UrlRefused)
    assert refused.reason == "dns"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.2.0.1/", "address"),
        ("http://[::ffff:127.0.0.1]/", "address"),
        ("http://[::1]/", "address"),
        ("http://example.com:22/", "port"),
        ("https://example.com:80/", "port"),
    ],
)
def test_a_permit_does_not_reach_beyond_its_network(url: str, reason: str) -> None:
    """Neither the next network, nor another spelling, nor a port of a public host."""
    refused = admit_url(url, LAB)

    assert isinstance(refused, UrlRefused)
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("93.184.215.14", 443, None),
        ("93.184.215.14", 80, "port"),
        ("93.184.215.14", 22, "port"),
        ("93.184.215.14", 5432, "port"),
        ("10.0.0.1", 443, "address"),
        ("2606:4700::1", 1024, None),
    ],
)
def test_an_address_is_judged_with_its_port(address: str, port: int, expected: str | None) -> None:
    """The second gate knows nothing of names."""
    assert STRICT.check_address(ip_address(address), port) == expected


def test_a_permitted_address_may_have_any_port() -> None:
    """The operator named the network, so its ports are the operator's business."""
    assert LAB.check_address(ip_address("10.1.0.9"), 22) is None
    assert LAB.check_address(ip_address("10.2.0.9"), 443) == "address"


def test_a_policy_refuses_what_is_not_a_network() -> None:
    """A typing error must not turn into an empty permit."""
    with pytest.raises(ValueError, match="host bits"):
        EgressPolicy.of(allow_cidrs=["10.0.0.1/8"])


def test_internal_names_are_known_by_their_shape() -> None:
    """A single label or a private suffix."""
    assert is_internal_name("receiver")
    assert is_internal_name("a.internal")
    assert not is_internal_name("internal.example")


def test_only_numbers_are_addresses() -> None:
    """Whatever a resolver gives besides a number is not connected to."""
    assert parse_address("127.0.0.1") == IPv4Address("127.0.0.1")
    assert parse_address("localhost") is None
    assert parse_address("127.1") is None


@given(st.text(max_size=60) | st.from_regex(r"https://[!-~]{1,40}", fullmatch=True))
def test_parsing_is_total_and_its_result_parses_to_itself(url: str) -> None:
    """Any text gives a value, and the canonical spelling is a fixed point."""
    parsed = parse_url(url)

    if isinstance(parsed, AdmittedUrl):
        assert parse_url(str(parsed)) == parsed
        assert parsed.host.isascii()
