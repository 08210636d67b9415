"""What `hooklane listen` asks for and shows."""

import json

import pytest

from hooklane.listening import MARK, Wish, document_of, leftovers, mark_of, subscription_body
from hooklane.receiver import Arrival, Reply
from hooklane.signature import Rejected, Verified

HEADERS = {
    "webhook-id": "msg_1", "ce-type": "order.paid", "webhook-attempt": "2", "webhook-sequence": "7",
}  # fmt: skip


def test_a_subscription_says_whose_it_is() -> None:
    """What was not asked for is left to the gateway."""
    plain = subscription_body(Wish("acme"), "http://h/", "whsec_x", "host/7")
    full = subscription_body(Wish("acme", ["a.*"], {"type": "a.b"}), "http://h/", "s", "host/7")

    assert {"url", "secret", "description", "metadata"} == set(plain)
    assert plain["metadata"] == {MARK: "host/7"}
    assert (full["event_types"], full["filter"]) == (["a.*"], {"type": "a.b"})


def test_only_what_a_dead_process_of_this_space_made_is_left_behind() -> None:
    """Others listen too, here and elsewhere."""
    marks = ["here/1", "here/2", "there/1", "here/x", "here/", "1", None, 5]
    items: list[dict[str, object]] = [
        {"id": f"sub_{number}", "metadata": {MARK: mark}} for number, mark in enumerate(marks)
    ]
    items += [{"id": "sub_a", "metadata": {}}, {"id": "sub_b"}]

    found = leftovers(items, "here", is_running=lambda pid: pid == 2)

    assert found == ["sub_0"]
    assert mark_of("here", 1) == "here/1"


@pytest.mark.parametrize(
    ("body", "shown"),
    [(b'{"a": 1}', {"body": '{"a": 1}'}), (b"\xff", {"body_base64": "/w=="})],
)
def test_a_delivery_is_one_line_of_json(body: bytes, shown: dict[str, str]) -> None:
    """For scripts: numbers are numbers, bytes are not lost."""
    line = document_of(Arrival(HEADERS, body, Verified("msg_1", 5)), Reply(204))

    assert "\n" not in line
    assert json.loads(line) == {
        "webhook_id": "msg_1", "type": "order.paid", "attempt": 2, "sequence": 7,
        "verified": True, "answered": 204, "headers": HEADERS, **shown,
    }  # fmt: skip


def test_a_forgery_says_why_it_is_one() -> None:
    """And whatever it lacks is null."""
    line = document_of(Arrival({"webhook-attempt": "x"}, b"", Rejected("no header")), Reply(401))

    row = json.loads(line)
    assert (row["verified"], row["reason"], row["answered"]) == (False, "no header", 401)
    assert (row["webhook_id"], row["attempt"]) == (None, None)
