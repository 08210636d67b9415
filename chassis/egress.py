"""Which URLs and addresses an outbound request may reach. Pure: no socket, no resolver, no clock.

Two gates share these rules. `admit_url` is the first: it answers while a subscription is created,
without any network, and accepts one spelling of a URL only. `EgressPolicy.check_address` is the
second and the one that protects: the sender calls it with every address a name resolved to, right
before it connects to that very address.

The table of addresses is our own. `ipaddress.is_global` differs between Python versions and calls
multicast, 6to4 relays and several IPv6 forms that embed an IPv4 address global, so it is not used.
For IPv6 the rule is turned round: only 2000::/3 is allowed, minus what is special in it. All
embeddings (mapped, compatible, SIIT, ISATAP, NAT64) fall outside and need no rule of their own.

This module is not an HTTP client and knows nothing about subscriptions.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, Literal, Self

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
RefusalReason = Literal["form", "scheme", "port", "address", "dns"]

URL_CHARS_MAX: Final = 2048
HOST_CHARS_MAX: Final = 253
PORT_MAX: Final = 65535
FIRST_UNPRIVILEGED_PORT: Final = 1024
HTTPS_PORT: Final = 443
HTTP_PORT: Final = 80

# Databases, brokers, caches and control planes that answer to whoever reaches them.
INTERNAL_PORTS: Final = frozenset(
    {1433, 2049, 2375, 2379, 3306, 5432, 5672, 6379, 6443, 8500, 9042, 9092, 9200}
    | {10250, 11211, 27017}
)

_DENIED_IPV4: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",  # the host agent of Azure
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
)
_ALLOWED_IPV6: Final = "2000::/3"
_DENIED_IPV6: Final = (
    "2001::/23",  # Teredo, ORCHID, benchmarking
    "2001:db8::/32",
    "2002::/16",  # 6to4 embeds an IPv4 address
    "2620:4f:8000::/48",
    "3fff::/20",
)

_NAME_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INTERNAL_SUFFIXES: Final = (".localhost", ".local", ".internal", ".svc", ".cluster.local")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_TARGET: Final = re.compile(r'["<>^`{|}]')


def _ranges(networks: Iterable[str]) -> tuple[list[int], list[int]]:
    """Turn networks into the sorted first and last numbers of their ranges."""
    nets = sorted((ip_network(net) for net in networks), key=lambda net: int(net[0]))
    return [int(net[0]) for net in nets], [int(net[-1]) for net in nets]


_IPV4_FIRST, _IPV4_LAST = _ranges(_DENIED_IPV4)
_IPV6_FIRST, _IPV6_LAST = _ranges(_DENIED_IPV6)
_IPV6_MIN, _IPV6_MAX = (numbers[0] for numbers in _ranges([_ALLOWED_IPV6]))


def is_public(address: IPAddress) -> bool:
    """Say whether the table lets an address be reached without a special permit.

    An IPv6 address with a zone is never public: the zone picks an interface of this host.
    """
    number = int(address)
    if isinstance(address, IPv4Address):
        return not _is_within(number, _IPV4_FIRST, _IPV4_LAST)
    if address.scope_id is not None or not _IPV6_MIN <= number <= _IPV6_MAX:
        return False
    return not _is_within(number, _IPV6_FIRST, _IPV6_LAST)


def _is_within(number: int, firsts: list[int], lasts: list[int]) -> bool:
    at = bisect_right(firsts, number) - 1
    return at >= 0 and number <= lasts[at]


def is_internal_name(host: str) -> bool:
    """Say whether a lower-case name can only mean something inside a private network."""
    return "." not in host or host.endswith(_INTERNAL_SUFFIXES)


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What the operator permits beyond public HTTPS.

    `allow_cidrs` are explicit networks, usually of the operator's own; an address inside one is
    allowed with any port. A network never matches an address of the other family, so permitting
    127.0.0.0/8 does not permit ::ffff:127.0.0.1.
    """

    allow_http: bool = False
    allow_cidrs: tuple[IPNetwork, ...] = ()

    @classmethod
    def of(cls, *, allow_http: bool = False, allow_cidrs: Iterable[str] = ()) -> Self:
        """Build a policy from text. Raises ValueError for what is not a network."""
        return cls(allow_http, tuple(ip_network(text.strip()) for text in allow_cidrs))

    def is_permitted(self, address: IPAddress) -> bool:
        """Say whether an address lies in a network that the operator permits."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False
        return any(address in network for network in self.allow_cidrs)

    def check_scheme(self, scheme: str) -> RefusalReason | None:
        """Give the reason to refuse a scheme, or None."""
        if scheme == "https" or (scheme == "http" and self.allow_http):
            return None
        return "scheme"

    def check_address(self, address: IPAddress, port: int) -> RefusalReason | None:
        """Give the reason to refuse a connection to this address and port, or None."""
        if self.is_permitted(address):
            return None
        if not is_public(address):
            return "address"
        return None if self.is_public_port(port) else "port"

    def is_public_port(self, port: int) -> bool:
        """Say whether a port may be used on an address that no network of ours permits."""
        if port == HTTPS_PORT or (port == HTTP_PORT and self.allow_http):
            return True
        return FIRST_UNPRIVILEGED_PORT <= port <= PORT_MAX and port not in INTERNAL_PORTS


@dataclass(frozen=True, slots=True)
class AdmittedUrl:
    """The parts of a URL in their one canonical spelling.

    `host` is a lower-case name or the shortest text of an address, without brackets; `target` is
    path and query as they go on the wire, visible ASCII.
    """

    scheme: str
    host: str
    port: int
    target: str
    address: IPAddress | None = None

    @property
    def authority(self) -> str:
        """Host and port as a Host header carries them: no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == (HTTPS_PORT if self.scheme == "https" else HTTP_PORT)
        return host if is_default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


@dataclass(frozen=True, slots=True)
class UrlRefused:
    """Why a URL is not allowed. `detail` may be shown to its author and never quotes the URL."""

    reason: RefusalReason
    detail: str


def admit_url(url: str, policy: EgressPolicy) -> AdmittedUrl | UrlRefused:
    """Take a URL apart, and judge it as far as that is possible without a look-up."""
    parts = parse_url(url)
    if isinstance(parts, UrlRefused):
        return parts
    return check_url(parts, policy) or parts


def check_url(parts: AdmittedUrl, policy: EgressPolicy) -> UrlRefused | None:
    """Judge a parsed URL by the policy.

    Names of private networks are refused whatever the operator permits: what they mean depends on
    where they are looked up. A permitted receiver is named by its address or by a public name.
    """
    if policy.check_scheme(parts.scheme):
        allowed = "https or http" if policy.allow_http else "https"
        return UrlRefused("scheme", f"the scheme must be {allowed}")
    is_permitted = parts.address is not None and policy.is_permitted(parts.address)
    if parts.scheme == "https" and parts.port == HTTP_PORT and not is_permitted:
        return UrlRefused("port", "port 80 is not for https")
    if parts.address is not None:
        return _refusal(policy.check_address(parts.address, parts.port))
    if is_internal_name(parts.host):
        return UrlRefused("dns", "the host must be a public name, this one is internal")
    return None if policy.is_public_port(parts.port) else _refusal("port")


def _refusal(reason: RefusalReason | None) -> UrlRefused | None:
    if reason is None:
        return None
    if reason == "port":
        return UrlRefused("port", "this port is not allowed: use 443 or one from 1024 upwards")
    return UrlRefused("address", "the address is not public")


def parse_url(url: str) -> AdmittedUrl | UrlRefused:
    """Take a URL apart strictly, with no opinion about where it leads.

    Only what every reader of URLs understands alike is accepted: visible ASCII without a
    backslash, no user part, no fragment, no escape in the host, names of letters, digits and
    hyphens (international ones in their xn-- form), and an address in its usual spelling.
    """
    if not 0 < len(url) <= URL_CHARS_MAX:
        return UrlRefused("form", f"a URL has 1 to {URL_CHARS_MAX} characters")
    if not all("!" <= char <= "~" for char in url) or "\\" in url:
        return UrlRefused(
            "form", "only visible ASCII without \\ is allowed: use xn-- and %-escapes for the rest"
        )
    match = _URL.fullmatch(url)
    if match is None:
        return UrlRefused("form", "not an absolute URL")
    scheme, authority, path, query, fragment = match.groups()
    scheme = scheme.lower()
    if scheme not in {"http", "https"}:
        return UrlRefused("scheme", "the scheme must be https")
    if fragment is not None:
        return UrlRefused("form", "a fragment (#) is not allowed")
    if "@" in authority or (not path and "@" in (query or "")):
        return UrlRefused("form", "a user or password (@) is not allowed")
    target = _parse_target(path or "/", query or "")
    if isinstance(target, UrlRefused):
        return target
    return _parse_authority(scheme, authority, target)


def _parse_target(path: str, query: str) -> str | UrlRefused:
    target = path + query
    if _BAD_ESCAPE.search(target):
        return UrlRefused("form", "a % must be followed by two hexadecimal digits")
    return _NOT_IN_TARGET.sub(lambda match: f"%{ord(match.group()):02X}", target)


def _parse_authority(scheme: str, authority: str, target: str) -> AdmittedUrl | UrlRefused:
    if authority.startswith("["):
        inner, bracket, port_text = authority[1:].partition("]")
        host = f"[{inner}]" if bracket else authority
    else:
        host, colon, rest = authority.partition(":")
        port_text = colon + rest
    port = _parse_port(scheme, port_text)
    if isinstance(port, UrlRefused):
        return port
    parsed = _parse_host(host.lower())
    if isinstance(parsed, UrlRefused):
        return parsed
    name, address = parsed
    return AdmittedUrl(scheme, name, port, target, address)


def _parse_port(scheme: str, text: str) -> int | UrlRefused:
    if not text:
        return HTTPS_PORT if scheme == "https" else HTTP_PORT
    if text[0] != ":" or not _PORT.fullmatch(text, 1) or int(text[1:]) > PORT_MAX:
        return UrlRefused("port", f"a port is a number from 1 to {PORT_MAX}")
    return int(text[1:])


def _parse_host(host: str) -> tuple[str, IPAddress | None] | UrlRefused:
    if host.startswith("["):
        return _parse_ipv6(host)
    name = host.removesuffix(".")
    labels = name.split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return _parse_ipv4(host)
    if len(name) > HOST_CHARS_MAX or not all(_NAME_LABEL.fullmatch(label) for label in labels):
        return UrlRefused("form", "the host is not a valid name")
    return name, None


def _parse_ipv4(host: str) -> tuple[str, IPAddress] | UrlRefused:
    try:
        address = IPv4Address(host)
    except ValueError:
        return UrlRefused("address", "an IPv4 address is four decimal numbers")
    return str(address), address


def _parse_ipv6(host: str) -> tuple[str, IPAddress] | UrlRefused:
    try:
        address = IPv6Address(host[1:-1])
    except ValueError:
        return UrlRefused("address", "not an IPv6 address")
    if address.scope_id is not None:
        return UrlRefused("address", "an IPv6 zone is not allowed")
    return str(address), address


def parse_address(text: str) -> IPAddress | None:
    """Read a numeric address as a resolver or a socket gives it; None for anything else."""
    try:
        return ip_address(text)
    except ValueError:
        return None
