"""What the doctor found, one line each, with what to do about it. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from hooklane.output import GREEN, RED, Paint

Status = Literal["ok", "warn", "fail", "skip"]
YELLOW = "33"
COLORS = {"ok": GREEN, "warn": YELLOW, "fail": RED, "skip": "2"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its status, what was seen, and what to do when it is not well."""

    check: str
    status: Status
    seen: str
    advice: str = ""


def ok(check: str, seen: str) -> Finding:
    """Say that it is well."""
    return Finding(check, "ok", seen)


def warn(check: str, seen: str, advice: str) -> Finding:
    """Say that it works, but should not stay so."""
    return Finding(check, "warn", seen, advice)


def fail(check: str, seen: str, advice: str) -> Finding:
    """Say that it does not work."""
    return Finding(check, "fail", seen, advice)


def skip(check: str, seen: str) -> Finding:
    """Say that it could not be looked at, and why that is no fault."""
    return Finding(check, "skip", seen)


def has_failed(findings: Sequence[Finding]) -> bool:
    """Tell whether something does not work."""
    return any(one.status == "fail" for one in findings)


def rows_of(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return them as plain data."""
    return [asdict(one) for one in findings]


def lines_of(findings: Sequence[Finding], paint: Paint) -> list[str]:
    """Lay them out for people: status, check, what was seen; advice below."""
    width = max((len(one.check) for one in findings), default=0)
    lines = []
    for one in findings:
        status = paint(f"{one.status:<4}", COLORS[one.status])
        lines.append(f"{status}  {one.check:<{width}}  {one.seen}")
        if one.advice:
            lines.append(f"{'':<4}  {'':<{width}}  -> {one.advice}")
    counts = {status: sum(one.status == status for one in findings) for status in COLORS}
    lines.append("")
    lines.append(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    return lines
