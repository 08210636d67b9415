"""Rotate a signing secret: the new one signs first, the old one beside it during a grace. Pure."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from gateway.bodies import Body, parse_body
from gateway.documents import JsonValue
from gateway.problems import Code, FieldError, Problem, invalid
from gateway.signing_secrets import check_secret
from gateway.subscriptions import Change, Current, Rules, stamp
from schemas.registry import PreviousSecret, SealedFields

GRACE_S: Final = 86_400
GRACE_S_MAX: Final = 604_800
SECRETS_MAX: Final = 5
"""Secrets that sign at once, so that the signature header stays below 1 KiB."""


class RotateBody(Body):
    """The new secret (default: made here), and how long the old one still signs."""

    secret: str | None = None
    grace_s: int = Field(default=GRACE_S, ge=0, le=GRACE_S_MAX)


def rotate(
    current: Current, members: Mapping[str, JsonValue], rules: Rules, *, now_ms: int
) -> Change | Problem:
    """Replace the secret by one of the same kind; what no longer signs is forgotten."""
    body = parse_body(RotateBody, members)
    if isinstance(body, list):
        return invalid(body)
    sealed, signature = current.sealed, current.record.signature
    secret = body.secret if body.secret is not None else rules.secret_for(signature)
    alive = [one for one in sealed.previous if one.expires_at > now_ms and one.secret != secret]
    if secret == sealed.secret:
        return invalid([FieldError("/secret", "this secret is the current one")])
    if reason := check_secret(signature, secret):
        return invalid([FieldError("/secret", reason)])
    if body.grace_s > 0:
        alive.insert(0, PreviousSecret(sealed.secret, now_ms + body.grace_s * 1000))
    if len(alive) >= SECRETS_MAX:
        detail = f"{SECRETS_MAX} secrets sign already: wait until one expires, or send grace_s 0"
        return Problem(Code.CONFLICT, detail)
    record = dict(current.raw)
    stamp(record, current, now_ms)
    resealed = SealedFields(url=sealed.url, headers=sealed.headers, secret=secret, previous=alive)
    return Change(record, resealed)
