"""What is answered, and its bytes."""

import orjson

from gateway.answers import answer_bytes, batch_answer, place_or_problem, single_answer
from gateway.ingest_rules import Accepted
from gateway.lines import NotPublished, Published
from gateway.problems import Code, FieldError, Problem
from schemas.event import Event
from schemas.ids import webhook_id

EVENT = Event(subscriber="acme", id='"i"', source="/s", type="t")
WARNED = Accepted(EVENT, (FieldError("/data/ü", "not a number"),))
IDS = {"id": '"i"', "webhook_id": webhook_id("acme", "/s", '"i"')}
DETAIL = "not a number"


def test_a_place_is_answered_with_the_ids_of_the_event() -> None:
    """An id may need escapes; warnings come with it."""
    answer = single_answer(WARNED, Published(3, 9), {"RateLimit": "x"})

    assert answer.status == 202
    assert answer.headers == {"RateLimit": "x"}
    assert orjson.loads(answer.body) == {
        **IDS,
        "subscriber": "acme",
        "partition": 3,
        "offset": 9,
        "warnings": [{"pointer": "/data/ü", "detail": DETAIL}],
    }


def test_what_is_not_in_the_log_is_a_problem_with_the_ids() -> None:
    """So that a client can send it again as the same event."""
    result = place_or_problem(NotPublished(was_tried=True))
    answer = single_answer(Accepted(EVENT), result, {})

    assert answer.status == 503
    assert answer.content_type == "application/problem+json"
    assert answer.headers == {"Retry-After": "1"}
    assert orjson.loads(answer.body).items() >= {**IDS, "code": "unknown"}.items()


def test_each_item_of_a_batch_says_what_became_of_it() -> None:
    """202 when one was accepted."""
    refused = Problem(Code.VALIDATION_FAILED, "no")
    lost = Problem(Code.UNAVAILABLE, "away")

    answer = batch_answer([(WARNED, Published(1, 2)), (None, refused), (Accepted(EVENT), lost)], {})

    assert answer.status == 202
    place = {"partition": 1, "offset": 2}
    warnings = [{"pointer": "/data/ü", "detail": DETAIL}]
    assert orjson.loads(answer.body)["items"] == [
        {"index": 0, "status": 202, **IDS, **place, "warnings": warnings},
        {"index": 1, "status": 422, "code": "validation_failed", "detail": "no"},
        {"index": 2, "status": 503, "code": "unavailable", "detail": "away", **IDS},
    ]


def test_a_batch_of_nothing_says_whether_trying_again_may_help() -> None:
    """The items come with the problem."""
    for code, status in ((Code.UNAVAILABLE, 503), (Code.NOT_FOUND, 422)):
        answer = batch_answer([(None, Problem(code, "d"))], {})

        assert answer.status == status
        assert orjson.loads(answer.body)["items"][0]["code"] == code


def test_a_batch_of_nothing_has_the_problem_of_the_first_that_may_help() -> None:
    """With how long to wait, whatever stands before it."""
    wrong = Problem(Code.SCHEMA_VIOLATION, "d")
    full = Problem(Code.QUOTA_EXCEEDED, "d", retry_after_s=7)
    away = Problem(Code.UNAVAILABLE, "d")

    answer = batch_answer([(None, one) for one in (wrong, full, away)], {})

    assert (answer.status, answer.headers) == (429, {"Retry-After": "7"})
    codes = [item["code"] for item in orjson.loads(answer.body)["items"]]
    assert codes == ["schema_violation", "quota_exceeded", "unavailable"]


def test_the_bytes_of_an_answer_are_http() -> None:
    """For a connection that stays open."""
    answer = single_answer(Accepted(EVENT), Published(0, 0), {"RateLimit": "x"})

    head, _, body = answer_bytes(answer, date="today").partition(b"\r\n\r\n")

    assert body == answer.body
    assert head.decode().split("\r\n") == [
        "HTTP/1.1 202 Accepted",
        "Server: hooklane",
        "RateLimit: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Date: today",
    ]
