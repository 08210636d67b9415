"""Check a Standard Webhooks signature (v1, HMAC-SHA256), as any receiver would.

Pure. The tests referee it with the official `standardwebhooks` library, which receivers use.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

SECRET_PREFIX = "whsec_"
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
TOLERANCE_S = 300
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True, slots=True)
class Verified:
    """The body came from whoever holds the secret, not long ago."""

    webhook_id: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the request must not be trusted; never holds a signature or secret."""

    reason: str


def secret_bytes(secret: str) -> bytes:
    """Decode `whsec_` + base64; raises ValueError with a line that says what is wrong."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not `whsec_` and base64") from error
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise ValueError(f"the secret must be {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")
    return key


def verify(
    key: bytes, headers: Mapping[str, str], body: bytes, *, now_s: float
) -> Verified | Rejected:
    """Check one request; header names in lower case, `now_s` is epoch seconds."""
    missing = [name for name in HEADERS if not headers.get(name)]
    if missing:
        return Rejected(f"no header {missing[0]}")
    webhook_id, stamp, signatures = (headers[name] for name in HEADERS)
    if not (stamp.isascii() and stamp.isdigit()):
        return Rejected("webhook-timestamp is not a number of seconds")
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        return Rejected(f"webhook-timestamp is more than {TOLERANCE_S} s away")
    signed = f"{webhook_id}.{stamp}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = [text[3:].encode() for text in signatures.split(" ") if text.startswith("v1,")]
    if not given:
        return Rejected("no v1 signature")
    if not any(hmac.compare_digest(one, wanted) for one in given):
        return Rejected("the signature does not match")
    return Verified(webhook_id, int(stamp))
