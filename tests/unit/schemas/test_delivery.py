"""Tests of the delivery and retry envelopes and of lane keys."""

import msgspec
import orjson
import pytest

from schemas.delivery import (
    DELIVERY_HEADER,
    RETRY_HEADER,
    TEST_PART,
    DeliveryEnvelope,
    DeliveryKind,
    LaneKey,
    RetryEnvelope,
    decode_delivery,
    decode_retry,
    encode_delivery,
    encode_retry,
    envelope_ends,
    envelope_target,
    lane_key,
    lane_part,
    parse_lane,
)
from schemas.event import Violation

DELIVERY = DeliveryEnvelope(
    webhook_id="msg_1",
    lane="sub_1/0",
    subscription="sub_1",
    kind="first",
    accepted_at=5,
    registry_offset=9,
)
RETRY = RetryEnvelope(
    webhook_id="msg_1",
    lane="sub_1/0/3",
    subscription="sub_1",
    sequence=4,
    attempt=2,
    due_at=77,
    term=1,
    kind="first",
    accepted_at=5,
    registry_offset=9,
)


def test_envelopes_are_read_as_written() -> None:
    """What fan-out and deliverer write, the next owner reads."""
    assert decode_delivery([("x", b""), (DELIVERY_HEADER, encode_delivery(DELIVERY))]) == DELIVERY
    assert decode_retry([(RETRY_HEADER, encode_retry(RETRY))]) == RETRY


def test_the_delivery_header_holds_the_fields_of_the_contract() -> None:
    """People and tools read these names."""
    assert list(orjson.loads(encode_delivery(DELIVERY))) == (
        ["v", "webhook_id", "lane", "subscription", "kind", "accepted_at", "registry_offset"]
    )


def test_fields_of_a_later_version_are_ignored() -> None:
    """A rolling deploy may write more than we know."""
    raw = orjson.dumps({**orjson.loads(encode_delivery(DELIVERY)), "later": [1]})

    assert decode_delivery([(DELIVERY_HEADER, raw)]) == DELIVERY


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"{}",
        b"[" * 100_000,
        orjson.dumps({**msgspec.to_builtins(DELIVERY), "kind": "other"}),
        orjson.dumps({**msgspec.to_builtins(DELIVERY), "lane": "sub_2/0"}),
        orjson.dumps({**msgspec.to_builtins(DELIVERY), "lane": "sub_1"}),
        b'{"webhook_id":"\xff"}',
    ],
)
def test_a_broken_header_is_a_violation(raw: bytes) -> None:
    """Reading is total: a bad record is set aside, never a crash."""
    assert isinstance(decode_delivery([(DELIVERY_HEADER, raw)]), Violation)
    assert isinstance(decode_retry([(RETRY_HEADER, raw)]), Violation)
    assert isinstance(decode_delivery([]), Violation)


@pytest.mark.parametrize("subscription", ["sub_1", 'a"b', "é\\\x00\u2028"])
@pytest.mark.parametrize(("part", "lane"), [(None, "{}/4"), ("63", "{}/4/63")])
@pytest.mark.parametrize("kind", ["first", "replay"])
def test_an_envelope_of_parts_is_the_same_bytes(
    subscription: str, part: str | None, lane: str, kind: DeliveryKind
) -> None:
    """Whatever the id of a subscription needs as escapes."""
    head, tail = envelope_ends("msg_1", 5, 9)
    whole = DeliveryEnvelope(
        webhook_id="msg_1",
        lane=lane.format(subscription),
        subscription=subscription,
        kind=kind,
        accepted_at=5,
        registry_offset=9,
    )

    made = head + envelope_target(subscription, 4, part, kind) + tail

    assert made == encode_delivery(whole)


def test_the_lane_of_tests_is_beside_the_others() -> None:
    """No ordering key leads into it."""
    head, tail = envelope_ends("msg_1", 5, 9)

    made = decode_delivery([("delivery", head + envelope_target("s", 3, TEST_PART, "test") + tail)])

    assert isinstance(made, DeliveryEnvelope)
    assert (made.lane, made.kind) == ("s/3/test", "test")


def test_events_without_an_ordering_key_have_a_lane_of_their_own() -> None:
    """Key lanes, the plain lane and the test lane never meet."""
    assert lane_key("sub_1", 3, None) == "sub_1/3"
    assert lane_part(None) is None
    assert lane_key("sub_1", 3, "order-1").startswith("sub_1/3/")


def test_ordering_keys_share_64_lanes_evenly() -> None:
    """The hash is pinned (it is on disk in lanes and envelopes) and spreads."""
    lanes = [lane_key("s", 0, f"order-{n}") for n in range(6400)]

    assert lane_key("s", 0, "order-1") == "s/0/47"
    assert set(lanes) == {f"s/0/{part}" for part in range(64)}
    assert max(lanes.count(lane) for lane in set(lanes)) < 200


@pytest.mark.parametrize(
    ("lane", "parts"),
    [
        ("sub_1/0", LaneKey("sub_1", 0, None)),
        ("sub_1/12/63", LaneKey("sub_1", 12, "63")),
        ("sub_1/12/0", LaneKey("sub_1", 12, "0")),
        ("sub_1/1/test", LaneKey("sub_1", 1, "test")),
        ("sub_1/1/64", None),
        ("sub_1/1/07", None),
        ("sub_1/", None),
        ("sub_1", None),
        ("/1", None),
        ("sub_1/-1", None),
        ("sub_1/1/2/3", None),
        ("sub_1/٣", None),
        ("sub_1/1\n", None),
    ],
)
def test_lane_keys_have_one_spelling(lane: str, parts: LaneKey | None) -> None:
    """Two spellings of one lane would be two queues."""
    assert parse_lane(lane) == parts
