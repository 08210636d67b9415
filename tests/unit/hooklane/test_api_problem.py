"""Refusals of the gateway as text and exit code."""

import pytest

from hooklane.api_problem import exit_code_of, refusal


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 4), (401, 1), (403, 1), (404, 3), (409, 1), (412, 1), (413, 4), (415, 4), (422, 4),
     (429, 5), (500, 1), (503, 5), (599, 1)],
)  # fmt: skip
def test_exit_codes_tell_what_may_help(status: int, code: int) -> None:
    """3 not there, 4 mend the input, 5 try again, 1 the rest."""
    assert exit_code_of(status) == code


def test_every_broken_field_has_its_line() -> None:
    """The pointer stands before its reason; the empty one is the whole body."""
    errors = [{"pointer": "/type", "detail": "required"}, {"pointer": "", "detail": "odd"}]
    document = {"code": "validation_failed", "detail": "no", "errors": errors}

    error = refusal("the event", 422, document)

    assert str(error).splitlines() == [
        "the event: no (422 validation_failed)", "  /type: required", "  (the whole body): odd",
    ]  # fmt: skip
    assert error.code == 4


def test_a_thousand_errors_are_cut() -> None:
    """A screen, not a scroll."""
    errors = [{"pointer": f"/{n}", "detail": "bad"} for n in range(1000)]

    text = str(refusal("it", 422, {"errors": errors}))

    assert text.count("\n") < 25
    assert "… and 980 more" in text


@pytest.mark.parametrize("document", ["<html>Bad  Gateway</html>", None, [1], ""])
def test_an_answer_of_something_else_is_shown_short(document: object) -> None:
    """A proxy's page names the status and asks whether the address is right."""
    text = str(refusal("GET /v1/keys", 502, document))

    assert "502" in text
    assert "HOOKLANE_URL" in text


def test_a_missing_key_comes_with_its_remedy() -> None:
    """401 names the variable."""
    assert "HOOKLANE_KEY" in str(refusal("it", 401, {"code": "unauthorized", "detail": "no"}))
