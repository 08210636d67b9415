"""Which header fields a subscriber may add to the requests it receives. Pure.

Checked when a subscription is written and again when a request is built, because the sealed record
may be older than the rules. Not for headers that hooklane itself sends.
"""

import re
from typing import Final

HEADER_VALUE_CHARS_MAX: Final = 4096

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
# Visible ASCII with blanks inside; never a CR, LF or NUL.
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")

_DENIED_NAMES: Final = frozenset(
    {
        # hop-by-hop and framing
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "accept-encoding",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # routing and identity of the request
        "host",
        "cookie",
        "cookie2",
        "forwarded",
        "via",
        "x-real-ip",
        "traceparent",
        "tracestate",
        # what cloud metadata services ask for
        "metadata",
        "metadata-flavor",
        "x-google-metadata-request",
        "x-aws-ec2-metadata-token",
        "x-aws-ec2-metadata-token-ttl-seconds",
        "x-identity-header",
        "x-metadata-token",
    }
)
_DENIED_PREFIXES: Final = ("webhook-", "ce-", "x-forwarded-", "proxy-")


def check_custom_header(name: str, value: str) -> str | None:
    """Give the reason to refuse a custom header, or None. Never quotes the value."""
    if not _TOKEN.fullmatch(name):
        return "a header name is 1 to 128 letters, digits or -_.!#$%&'*+^`|~"
    lowered = name.lower()
    if lowered in _DENIED_NAMES or lowered.startswith(_DENIED_PREFIXES):
        return "this header is set by hooklane or not allowed"
    if len(value) > HEADER_VALUE_CHARS_MAX:
        return f"a header value has at most {HEADER_VALUE_CHARS_MAX} characters"
    if value and not _VALUE.fullmatch(value):
        return "a header value is visible ASCII, with blanks only inside"
    return None
