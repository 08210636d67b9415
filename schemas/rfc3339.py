"""Read and write RFC 3339 timestamps without a clock."""

import functools
import re
from calendar import monthrange, timegm
from datetime import UTC, datetime

_TIMESTAMP = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)"
    r"(?:\.(\d{1,30}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


def parse_ms(text: str) -> int | None:
    """Return epoch milliseconds, or None when `text` is not an RFC 3339 date-time.

    A leap second (`:60`) counts as the first second of the next minute.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    if year < 1 or not 1 <= day <= monthrange(year, month)[1]:
        return None
    fraction, sign, offset_hour, offset_minute = match.group(7, 8, 9, 10)
    offset_s = int(offset_hour or 0) * 3600 + int(offset_minute or 0) * 60
    seconds = timegm((year, month, day, hour, minute, second))
    seconds += offset_s if sign == "-" else -offset_s
    return seconds * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def format_ms(epoch_ms: int) -> str:
    """Write epoch milliseconds as `2026-01-02T03:04:05.678Z`."""
    seconds, millis = divmod(epoch_ms, 1000)
    return f"{_format_s(seconds)}.{millis:03d}Z"


@functools.lru_cache(maxsize=256)
def _format_s(epoch_s: int) -> str:
    """Write whole seconds; thousands of records a second share one."""
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%dT%H:%M:%S}"
