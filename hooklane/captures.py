"""Read a captured request: headers as people paste them, a body as raw bytes. Pure."""

import json
import re
from collections.abc import Sequence
from typing import Final

from hooklane.verification import Capture

HEADER_LINES_MAX: Final = 500
_EMPTY_LINE: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(r"[A-Z]{3,10} \S+(?: HTTP/[\d.]+)?")
_HEADER_LINE: Final = re.compile(r"[<>*]?\s*([A-Za-z0-9_-]+)\s*[:=]\s*(.*)")


class CaptureInvalid(ValueError):
    """The text is no captured request; says which line."""


def parse_capture(raw: bytes) -> Capture:
    """Read a whole request: header lines, an empty line, the body to the last byte."""
    blank = _EMPTY_LINE.search(raw)
    if blank is None:
        raise CaptureInvalid("there is no empty line between headers and body")
    return Capture(parse_headers(raw[: blank.start()]), raw[blank.end() :])


def parse_headers(raw: bytes) -> list[tuple[str, str]]:
    """Read header lines (also as curl prints them), or a JSON object of them."""
    text = raw.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return _from_json(text)
    headers = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or (number == 1 and _REQUEST_LINE.fullmatch(stripped)):
            continue
        match = _HEADER_LINE.fullmatch(stripped)
        if match is None:
            raise CaptureInvalid(f"header line {number} is not like `name: value`")
        headers.append((match.group(1), match.group(2).strip()))
    if len(headers) > HEADER_LINES_MAX:
        raise CaptureInvalid(f"more than {HEADER_LINES_MAX} header lines")
    return headers


def _from_json(text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise CaptureInvalid("the headers begin like JSON and are not") from None
    headers: list[tuple[str, str]] = []
    for name, value in document.items():
        values: Sequence[object] = value if isinstance(value, list) else [value]
        headers += [(str(name), str(one)) for one in values]
    return headers
