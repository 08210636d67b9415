"""Tests of what the doctor prints."""

from hooklane.doctor.findings import fail, has_failed, lines_of, ok, rows_of, skip, warn
from hooklane.output import Paint

PLAIN = Paint(is_on=False)


def test_each_check_is_a_line_with_its_advice_below() -> None:
    """Aligned, and counted at the end."""
    found = [ok("kafka", "answers"), fail("topic a.events", "is missing", "create it")]

    assert lines_of(found, PLAIN) == [
        "ok    kafka           answers",
        "fail  topic a.events  is missing",
        "                      -> create it",
        "",
        "1 ok, 1 fail",
    ]


def test_only_a_failure_fails() -> None:
    """What works, but should not stay so, is no failure."""
    assert not has_failed([ok("a", ""), warn("b", "", "x"), skip("c", "")])
    assert has_failed([ok("a", ""), fail("b", "", "x")])


def test_the_plain_data_has_all() -> None:
    """For -o json."""
    assert rows_of([warn("a", "seen", "do")]) == [
        {"check": "a", "status": "warn", "seen": "seen", "advice": "do"}
    ]
