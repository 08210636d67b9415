"""Find in a broker's log what a person needs when it died. Pure."""

import re

EVIDENCE_LINES = 8
TAIL_LINES = 6
LINE_CHARS_MAX = 300
FAULT = re.compile(r"\b(?:ERROR|FATAL|\w*Exception|\w*Error)\b")
STACK_FRAME = re.compile(r"^\s+at ")
PORT_TAKEN = "Address already in use"


def evidence(text: str) -> str:
    """Return the first lines that speak of a fault, then the last lines.

    A dying broker logs its cause first and dozens of lines of orderly shutdown after it.
    """
    lines = [line[:LINE_CHARS_MAX] for line in text.splitlines() if not STACK_FRAME.match(line)]
    if not lines:
        return "(no log)"
    end = len(lines) - TAIL_LINES
    faults = [line for line in lines[: max(0, end)] if FAULT.search(line)][:EVIDENCE_LINES]
    return "\n".join([*faults, *(["  [...]"] if end > 0 else []), *lines[-TAIL_LINES:]])


def is_port_taken(text: str) -> bool:
    """Tell whether it died because another program had its port."""
    return PORT_TAKEN in text
