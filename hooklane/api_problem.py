"""What a refusal of the gateway means to a person at the command line. Pure."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from hooklane.exits import FAILURE, INVALID, NETWORK, NOT_FOUND, CommandFailed

SHOWN_CHARS_MAX: Final = 300
SHOWN_ERRORS_MAX: Final = 20

_EXIT_CODES: Final = {
    HTTPStatus.BAD_REQUEST: INVALID,
    HTTPStatus.NOT_FOUND: NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: INVALID,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: INVALID,
    HTTPStatus.UNPROCESSABLE_ENTITY: INVALID,
    HTTPStatus.REQUEST_TIMEOUT: NETWORK,
    HTTPStatus.TOO_MANY_REQUESTS: NETWORK,
    HTTPStatus.BAD_GATEWAY: NETWORK,
    HTTPStatus.SERVICE_UNAVAILABLE: NETWORK,
    HTTPStatus.GATEWAY_TIMEOUT: NETWORK,
}
_HINTS: Final = {
    HTTPStatus.UNAUTHORIZED: "set HOOKLANE_KEY to a key of this gateway",
    HTTPStatus.FORBIDDEN: "the key of HOOKLANE_KEY lacks the scope for this",
    HTTPStatus.PRECONDITION_FAILED: "somebody changed it meanwhile: look again, then try again",
    HTTPStatus.TOO_MANY_REQUESTS: "wait a moment and try again",
}


class Refused(CommandFailed):
    """The gateway answered, and the answer is no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(exit_code_of(status), text)
        self.status = status


def exit_code_of(status: int) -> int:
    """Give the exit code of an HTTP error: 5 where trying again later may help."""
    return _EXIT_CODES.get(HTTPStatus(status), FAILURE) if status in set(HTTPStatus) else FAILURE


def refusal(what: str, status: int, document: object) -> Refused:
    """Say what was refused and why, with the place of each broken field on a line of its own.

    `document` is the decoded answer: a problem document, or whatever else stood in the way.
    """
    if not isinstance(document, Mapping):
        return Refused(status, _stranger(what, status, document))
    code = document.get("code", "")
    detail = document.get("detail") or document.get("title") or "no reason given"
    lines = [f"{what}: {detail} ({status} {code})".replace(" )", ")")]
    errors = document.get("errors")
    fields = [one for one in errors if isinstance(one, Mapping)] if isinstance(errors, list) else []
    lines += [f"  {_place(one)}: {one.get('detail', '')}" for one in fields[:SHOWN_ERRORS_MAX]]
    if len(fields) > SHOWN_ERRORS_MAX:
        lines.append(f"  … and {len(fields) - SHOWN_ERRORS_MAX} more")
    if status in _HINTS:
        lines.append(f"  hint: {_HINTS[HTTPStatus(status)]}")
    return Refused(status, "\n".join(lines))


def _place(error: Mapping[str, object]) -> str:
    return str(error.get("pointer") or "") or "(the whole body)"


def _stranger(what: str, status: int, document: object) -> str:
    """Describe an answer that no hooklane gateway gives: a proxy, another program."""
    text = document if isinstance(document, str) else json.dumps(document)
    shown = " ".join(text.split())[:SHOWN_CHARS_MAX] or "an empty body"
    hint = "does HOOKLANE_URL point to the gateway?"
    return f"{what}: {status} and not a problem document: {shown}\n  hint: {hint}"
