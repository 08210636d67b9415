"""What a body may have been before a framework, an editor or a proxy changed it. Pure."""

import base64
import binascii
import contextlib
import json
from collections.abc import Iterator
from typing import Final

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_SPACED: Final = (", ", ": ")
_COMPACT: Final = (",", ":")


def originals(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Give what happened and the body as it would have been before; likely ones first."""
    if len(body) > BODY_BYTES_MAX:
        return
    if body.endswith(b"\n"):
        yield "a newline was added at the end", body.rstrip(b"\r\n")
    yield "the newline at the end was cut off", body + b"\n"
    if body != body.strip():
        yield "blanks were added round it", body.strip()
    if b"\n" in body:
        yield "its line ends were changed", body.replace(b"\r\n", b"\n")
        yield "its line ends were changed", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if body.startswith(_BOM):
        yield "a byte order mark was added", body.removeprefix(_BOM)
    yield from _transcoded(body)
    yield from _reserialized(body)


def _transcoded(body: bytes) -> Iterator[tuple[str, bytes]]:
    with contextlib.suppress(binascii.Error, ValueError):
        yield "it is in base64 (a serverless platform?)", base64.b64decode(body, validate=True)
    with contextlib.suppress(UnicodeError):
        yield "it was decoded as Latin-1", body.decode().encode("latin-1")
    if body.startswith((b'"', b"b'")):
        text = body.decode("utf-8", "replace")
        yield "it was printed as a string", text.lstrip("b")[1:-1].encode()


def _reserialized(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Parse and write JSON again in the forms of the usual writers; numbers may still differ."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(value, str):
        yield "it was wrapped as a JSON string", value.encode("utf-8", "replace")
    what = "it was parsed and serialised again"
    for separators in (_COMPACT, _SPACED):
        for is_ascii in (False, True):
            for is_sorted in (False, True):
                yield what, _written(value, separators, (is_ascii, is_sorted), None)
    for indent in (2, 4):
        yield what, _written(value, (",", ": "), (False, False), indent)


def _written(
    value: object, separators: tuple[str, str], flags: tuple[bool, bool], indent: int | None
) -> bytes:
    is_ascii, is_sorted = flags
    text = json.dumps(
        value, separators=separators, ensure_ascii=is_ascii, sort_keys=is_sorted, indent=indent
    )
    return text.encode("utf-8", "replace")
