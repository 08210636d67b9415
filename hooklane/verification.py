"""Check a webhook step by step and say which step fails, and why it may. Pure.

The receiver's own library says yes or no; this says what to look at. Both signature schemes are
computed here afresh, not by the code that signs, so each is a check of the other. No text that
comes out holds the secret or the signature that would have been right.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from hooklane.body_changes import originals
from hooklane.signature import HEADERS, SECRET_BYTES_MAX, SECRET_BYTES_MIN, TOLERANCE_S

Result = Literal["ok", "failed", "skipped", "hint"]
Matcher = Callable[[str, bytes], bool]

_MILLISECONDS_MIN: Final = 10**11
_SEED_BYTES: Final = 32
_SCHEME_OF: Final = {"whsec_": "v1", "whsk_": "v1a", "whpk_": "v1a"}


@dataclass(frozen=True, slots=True)
class Step:
    """What one check says."""

    check: str
    result: Result
    detail: str


@dataclass(frozen=True, slots=True)
class Key:
    """A secret that can check signatures of one scheme over `id.timestamp.body`."""

    scheme: str
    matches: Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Capture:
    """One request as it came in: header lines in order, the body as raw bytes."""

    headers: Sequence[tuple[str, str]]
    body: bytes


def examine(capture: Capture, secret: str, *, now_s: float) -> list[Step]:
    """Run every check that the ones before make possible; good when none is `failed`."""
    headers, steps = _check_headers(capture.headers)
    steps += [_check_timestamp(headers.get("webhook-timestamp"), now_s)]
    key = _read_secret(secret)
    if isinstance(key, Step):
        return [*steps, key, Step("signature", "skipped", "there is no usable secret")]
    steps.append(Step("secret", "ok", f"a secret of scheme {key.scheme}"))
    if any(not headers.get(name) for name in HEADERS):
        return [*steps, Step("signature", "skipped", "a header is missing")]
    return steps + _check_signatures(headers, capture.body, key)


def is_verified(steps: Sequence[Step]) -> bool:
    """Whether every step was taken and none failed."""
    return all(step.result in {"ok", "hint"} for step in steps)


def _check_headers(lines: Sequence[tuple[str, str]]) -> tuple[dict[str, str], list[Step]]:
    headers: dict[str, str] = {}
    repeated = set()
    for name, value in lines:
        lower = name.strip().lower()
        if lower in headers:
            repeated.add(lower)
        headers.setdefault(lower, value.strip())
    steps = []
    for name in HEADERS:
        if name in repeated:
            steps.append(Step(name, "failed", "the header is there twice"))
        elif headers.get(name):
            steps.append(Step(name, "ok", headers[name] if name != HEADERS[2] else "present"))
        else:
            steps.append(Step(name, "failed", _missing(name, headers)))
    return headers, steps


def _missing(name: str, headers: Mapping[str, str]) -> str:
    disguised = {name.replace("-", "_"), "http_" + name.replace("-", "_")}
    if disguised & headers.keys():
        return f"your framework renamed it: {(disguised & headers.keys()).pop()}"
    return "missing: a proxy dropped it, or this request is not from hooklane"


def _check_timestamp(text: str | None, now_s: float) -> Step:
    if not text:
        return Step("timestamp", "skipped", "a header is missing")
    if not (text.isascii() and text.isdigit()):
        return Step("timestamp", "failed", "not a whole number of seconds")
    stamp = int(text)
    if stamp > _MILLISECONDS_MIN:
        return Step("timestamp", "failed", "milliseconds? it must be seconds since 1970")
    age_s = round(now_s - stamp)
    if abs(age_s) <= TOLERANCE_S:
        return Step("timestamp", "ok", f"{age_s} s old, at most {TOLERANCE_S}")
    if age_s > 0:
        detail = f"{age_s} s old, at most {TOLERANCE_S}: a replay, a wrong clock here, or an old"
        return Step("timestamp", "failed", f"{detail} capture (for one: --now {stamp})")
    detail = f"{-age_s} s in the future, at most {TOLERANCE_S}: the clock here is behind"
    return Step("timestamp", "failed", detail)


def _read_secret(secret: str) -> Key | Step:
    """Read a secret in the form of its prefix; a Step says what is wrong with it."""
    text = secret.strip()
    if text.startswith(('"', "'")):
        return Step("secret", "failed", "there are quotes round the secret")
    prefix = next((one for one in _SCHEME_OF if text.startswith(one)), None)
    if prefix is None:
        return Step("secret", "failed", "it does not begin with whsec_ (v1) or whpk_ (v1a)")
    try:
        encoded = text.removeprefix(prefix)
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Step("secret", "failed", f"after {prefix} comes base64; this is not, or was cut off")
    if prefix == "whsec_":
        if not SECRET_BYTES_MIN <= len(raw) <= SECRET_BYTES_MAX:
            detail = f"{len(raw)} bytes, not {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}: cut off?"
            return Step("secret", "failed", detail)
        return Key("v1", lambda signed, given: hmac.compare_digest(_hmac(raw, signed), given))
    if len(raw) not in ({_SEED_BYTES, 2 * _SEED_BYTES} if prefix == "whsk_" else {_SEED_BYTES}):
        return Step("secret", "failed", f"{len(raw)} bytes is no length of a {prefix} key")
    public = _public_key(raw, is_private=prefix == "whsk_")
    return Key("v1a", lambda signed, given: _is_ed25519(public, signed, given))


def _hmac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def _public_key(raw: bytes, *, is_private: bool) -> Ed25519PublicKey:
    if is_private:
        return Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES]).public_key()
    return Ed25519PublicKey.from_public_bytes(raw)


def _is_ed25519(public: Ed25519PublicKey, signed: bytes, given: bytes) -> bool:
    try:
        public.verify(given, signed)
    except InvalidSignature:
        return False
    return True


def _check_signatures(headers: Mapping[str, str], body: bytes, key: Key) -> list[Step]:
    """Check each signature; one good one is enough, as during a rotation."""
    prefix = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    decoded: list[bytes] = []
    notes = []
    for number, token in enumerate(headers["webhook-signature"].split(), start=1):
        scheme, _, encoded = token.partition(",")
        if scheme != key.scheme:
            notes.append(f"{number}: {scheme[:8]}, not for this secret ({key.scheme})")
            continue
        try:
            decoded.append(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            notes.append(f"{number}: {scheme}, not base64: cut off or changed")
            continue
        if key.matches(prefix + body, decoded[-1]):
            return [Step("signature", "ok", "; ".join([*notes, f"{number}: {scheme}, matches"]))]
        notes.append(f"{number}: {scheme}, does not match")
    steps = [Step("signature", "failed", "; ".join(notes) or "the header is empty")]
    if not decoded:
        needed = "whpk_ key" if key.scheme == "v1" else "whsec_ secret"
        detail = f"nothing to compare with this secret: is there a {needed}?"
        return [*steps, Step("body", "skipped", detail)]
    return [*steps, _explain(prefix, body, decoded, key)]


def _explain(prefix: bytes, body: bytes, given: Sequence[bytes], key: Key) -> Step:
    """Try what a body usually looked like before somebody changed it."""
    for what, original in originals(body):
        if any(key.matches(prefix + original, one) for one in given):
            return Step("body", "failed", f"changed on its way to you: {what}. Use the raw bytes.")
    detail = "another secret signed this (rotated? of another subscription?), or the body is not"
    return Step("body", "hint", f"{detail} the raw one: {len(body)} bytes here")
