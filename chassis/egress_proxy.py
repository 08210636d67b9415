"""Where the egress proxy of an operator is, and what it answers to CONNECT. Pure.

With a proxy the names of receivers are looked up by the proxy: our table of addresses then guards
only targets given as an address, and the proxy must deny private networks itself.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import unquote

from chassis.egress import AdmittedUrl, UrlRefused, parse_url

HEAD_BYTES_MAX: Final = 8_192
_OK_STATUSES: Final = range(200, 300)
_USER: Final = re.compile(r"(http://)(?:([^/?#@]*)@)?([^@]*)")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n")
_ASKS_FOR_LOGIN: Final = re.compile(rb"\nproxy-authenticate[ \t]*:", re.IGNORECASE)
_FORBIDDEN: Final = 403
_LOGIN_NEEDED: Final = 407
_TARGET_UNREACHABLE: Final = frozenset({502, 504})

TunnelVerdict = Literal["open", "denied", "unreachable", "fault"]


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """A proxy that speaks plain HTTP/1.1 CONNECT. Holds credentials: its repr shows none."""

    host: str
    port: int
    login: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `http://[user:password@]host[:port]`. Raises ValueError, never with the text."""
        match = _USER.fullmatch(text)
        url = parse_url(match[1] + match[3]) if match else None
        if match is None or not isinstance(url, AdmittedUrl) or url.target != "/":
            detail = f": {url.detail}" if isinstance(url, UrlRefused) else ""
            raise ValueError(f"not a proxy like http://user:password@proxy.example:3128{detail}")
        login = None
        if match[2] is not None:
            login = base64.b64encode(unquote(match[2]).encode()).decode()
        return cls(url.host, url.port, login)

    def connect_head(self, host: str, port: int) -> bytes:
        """Write the request for a tunnel; the host has passed the grammar of URLs."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        login = f"proxy-authorization: Basic {self.login}\r\n" if self.login else ""
        return f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{login}\r\n".encode("ascii")

    def __repr__(self) -> str:
        return "ProxyAddress(…)"


def judge_tunnel(head: bytes) -> TunnelVerdict:
    """Say what the head of an answer to CONNECT means.

    `denied` is a rule of the proxy against this target (403, or 407 that asks for no login, as
    Smokescreen answers); `unreachable` its report about the target (502, 504). All else is the
    proxy's own trouble, which no receiver is charged for.
    """
    match = _STATUS_LINE.match(head)
    if match is None:
        return "fault"
    status = int(match[1])
    if status in _OK_STATUSES:
        return "open"
    if status in _TARGET_UNREACHABLE:
        return "unreachable"
    is_login_needed = status == _LOGIN_NEEDED and _ASKS_FOR_LOGIN.search(head) is not None
    is_denial = status in {_FORBIDDEN, _LOGIN_NEEDED} and not is_login_needed
    return "denied" if is_denial else "fault"
