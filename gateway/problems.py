"""What can go wrong in an answer: the closed list of codes and the RFC 9457 document.

Pure. Everything that refuses a request says so with a `Problem`; `gateway.responses` turns it into
HTTP. A detail never repeats what the client sent: a body may hold secrets, and logs keep details.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final


class Code(StrEnum):
    """The machine-readable reasons of CONTRACT §4, all of them."""

    INVALID_REQUEST = "invalid_request"
    INVALID_JSON = "invalid_json"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    VERSION_MISMATCH = "version_mismatch"
    VALIDATION_FAILED = "validation_failed"
    URL_NOT_ALLOWED = "url_not_allowed"
    SCHEMA_VIOLATION = "schema_violation"
    QUOTA_EXCEEDED = "quota_exceeded"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    INTERNAL = "internal"


STATUS: Final = {
    Code.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.INVALID_JSON: HTTPStatus.BAD_REQUEST,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.VERSION_MISMATCH: HTTPStatus.PRECONDITION_FAILED,
    Code.VALIDATION_FAILED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.URL_NOT_ALLOWED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.SCHEMA_VIOLATION: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.QUOTA_EXCEEDED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.UNKNOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_TITLES: Final = {
    Code.INVALID_REQUEST: "The request is malformed",
    Code.INVALID_JSON: "The body is not acceptable JSON",
    Code.UNSUPPORTED_MEDIA_TYPE: "The media type or encoding is not supported",
    Code.TOO_LARGE: "The request is too large",
    Code.TIMEOUT: "The body did not arrive in time",
    Code.UNAUTHORIZED: "A valid key is needed",
    Code.FORBIDDEN: "The key may not do this",
    Code.NOT_FOUND: "There is no such resource",
    Code.METHOD_NOT_ALLOWED: "The resource does not support this method",
    Code.CONFLICT: "The request conflicts with the current state",
    Code.VERSION_MISMATCH: "The resource has another version",
    Code.VALIDATION_FAILED: "The request breaks a rule",
    Code.URL_NOT_ALLOWED: "The URL is not allowed",
    Code.SCHEMA_VIOLATION: "The data breaks the schema of its event type",
    Code.QUOTA_EXCEEDED: "A quota is exceeded",
    Code.UNAVAILABLE: "The service cannot take the request now",
    Code.UNKNOWN: "It is unknown whether the request took effect",
    Code.INTERNAL: "The service failed",
}

RETRY_AFTER_S: Final = 1
_PASSING: Final = frozenset({Code.UNAVAILABLE, Code.UNKNOWN, Code.QUOTA_EXCEEDED})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule and the JSON pointer of the place that breaks it."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal, complete but for its HTTP form.

    `ends_delivery` tells a deliverer that another attempt is of no use, `retry_after_s` None that
    waiting alone is not.
    """

    code: Code
    detail: str
    errors: tuple[FieldError, ...] = ()
    allow: tuple[str, ...] = ()
    retry_after_s: int | None = RETRY_AFTER_S
    ends_delivery: bool = False

    @property
    def status(self) -> HTTPStatus:
        """Give the HTTP status that belongs to the code."""
        return STATUS[self.code]


INTERNAL: Final = Problem(Code.INTERNAL, "an unexpected fault, it was logged")


class RefusedError(Exception):
    """Ends the handling of a request with a problem; caught by one middleware only."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def pointer_of(*parts: str | int) -> str:
    """Write an RFC 6901 pointer; the empty pointer is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def invalid(errors: list[FieldError]) -> Problem:
    """Say which fields break which rules."""
    detail = f"{errors[0].pointer or 'the body'}: {errors[0].detail}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return Problem(Code.VALIDATION_FAILED, detail, tuple(errors))


def problem_document(problem: Problem) -> dict[str, object]:
    """Give the members of the problem document in the order people read them."""
    document: dict[str, object] = {
        "type": f"urn:hooklane:problem:{problem.code}",
        "title": _TITLES[problem.code],
        "status": int(problem.status),
        "detail": problem.detail,
        "code": str(problem.code),
    }
    if problem.errors:
        document["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in problem.errors]
    return document


def problem_headers(problem: Problem) -> dict[str, str]:
    """Give the headers that belong to a problem, most of them demanded by RFC 9110."""
    headers: dict[str, str] = {}
    if problem.code is Code.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.allow:
        headers["Allow"] = ", ".join(problem.allow)
    if problem.ends_delivery:
        headers["webhook-delivery"] = "abort-message"
    if problem.code in _PASSING and problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    return headers
