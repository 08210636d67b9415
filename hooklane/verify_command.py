"""`hooklane verify`: paste headers and body, see which step of the verification fails."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import click

from chassis.clock import Clock, SystemClock
from hooklane.captures import CaptureInvalid, parse_capture, parse_headers
from hooklane.exits import FAILURE, INVALID, OK, USAGE, CommandFailed
from hooklane.input import read_input
from hooklane.output import GREEN, RED, Form, Paint, has_color
from hooklane.verification import Capture, Step, examine, is_verified

SECRET_VARIABLE: Final = "WEBHOOK_SECRET"
CAPTURE_BYTES_MAX: Final = 8 * 1024 * 1024
SECRET_BYTES_MAX: Final = 4_096
_WORDS: Final = {"ok": "ok", "failed": "FAILED", "skipped": "skipped", "hint": "hint"}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """Where the request and the secret are; `header` lines come before those of the file."""

    header: Sequence[str] = ()
    headers_file: str | None = None
    body_file: str | None = None
    request_file: str | None = None
    secret_file: str | None = None
    now_s: int | None = None


def run_verify(
    variables: Mapping[str, str], options: VerifyOptions, form: Form, *, clock: Clock | None = None
) -> int:
    """Check and show each step; exit 1 when one fails."""
    capture = read_capture(options)
    secret = read_secret(variables, options)
    now_s = (clock or SystemClock()).now_ms() / 1000 if options.now_s is None else options.now_s
    steps = examine(capture, secret, now_s=now_s)
    print(_text(steps, form, variables))
    return OK if is_verified(steps) else FAILURE


def read_capture(options: VerifyOptions) -> Capture:
    """Read the request from one file, or its headers and body from their own places."""
    has_parts = bool(options.header or options.headers_file or options.body_file)
    try:
        if not has_parts or options.request_file is not None:
            if has_parts:
                raise CommandFailed(USAGE, "a whole request, or headers and body: not both")
            return parse_capture(_read(options.request_file or "-"))
        if options.body_file is None:
            raise CommandFailed(USAGE, "--body FILE is needed with headers (- for standard input)")
        headers = parse_headers("\n".join(options.header).encode()) if options.header else []
        if options.headers_file is not None:
            headers += parse_headers(_read(options.headers_file))
        return Capture(headers, _read(options.body_file))
    except CaptureInvalid as error:
        raise CommandFailed(INVALID, str(error)) from error


def read_secret(variables: Mapping[str, str], options: VerifyOptions) -> str:
    """Take the secret from a file, a variable or a prompt; never from an argument."""
    if options.secret_file is not None:
        raw = read_input(options.secret_file, bytes_max=SECRET_BYTES_MAX)
        return raw.decode("utf-8", "replace").strip()
    given = variables.get(SECRET_VARIABLE, "")
    if given:
        return given
    is_piped = not sys.stdin.isatty()
    if is_piped:
        raise CommandFailed(USAGE, f"set {SECRET_VARIABLE}, or name --secret-file FILE")
    secret: str = click.prompt("secret (whsec_… or whpk_…)", hide_input=True, err=True)
    return secret


def _read(name: str) -> bytes:
    return read_input(name, bytes_max=CAPTURE_BYTES_MAX)


def _text(steps: Sequence[Step], form: Form, variables: Mapping[str, str]) -> str:
    verified = is_verified(steps)
    if form == "json":
        document = {"verified": verified, "steps": [asdict(step) for step in steps]}
        return json.dumps(document, indent=2, ensure_ascii=False)
    paint = Paint(is_on=has_color(sys.stdout, variables))
    width = max(len(step.check) for step in steps)
    lines = []
    for step in steps:
        word = _WORDS[step.result].ljust(8)
        color = {"ok": GREEN, "failed": RED}.get(step.result)
        shown = paint(word, color) if color else word
        lines.append(f"{shown} {step.check.ljust(width)}  {step.detail}")
    verdict = paint("verified", GREEN) if verified else paint("NOT VERIFIED", RED)
    return "\n".join([*lines, "", verdict])
