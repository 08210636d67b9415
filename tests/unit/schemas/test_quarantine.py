"""Tests of the quarantine record."""

import base64

import orjson

from schemas.quarantine import (
    HEADER_BYTES_MAX,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    Coordinates,
    QuarantineReason,
    RawRecord,
    quarantine_record,
)

WHERE = Coordinates("hooklane.events", 3, 41, 1_700_000_000_000)


def _build(raw: RawRecord, detail: str = "why") -> dict[str, object]:
    record = quarantine_record(
        WHERE, raw, stage="fanout", reason=QuarantineReason.BAD_EVENT, detail=detail
    )
    document: dict[str, object] = orjson.loads(record.encode())
    return document


def test_raw_bytes_survive_as_base64() -> None:
    """Whatever the producer wrote can be taken out again."""
    document = _build(RawRecord(b"\xff", [("ce_id", b"\x00"), ("n", None)], b"\xfe\x01"))

    assert document["key"] == base64.b64encode(b"\xff").decode()
    assert document["headers"] == [["ce_id", "AA=="], ["n", None]]
    assert base64.b64decode(str(document["value"])) == b"\xfe\x01"
    assert (document["topic"], document["partition"], document["offset"]) == (
        "hooklane.events",
        3,
        41,
    )


def test_absent_key_and_value_stay_null() -> None:
    """A null is not an empty string."""
    document = _build(RawRecord(None, [], None))

    assert document["key"] is None
    assert document["value"] is None


def test_what_would_not_fit_is_left_out_and_named() -> None:
    """A record that unpacks to more than its topic takes still gives a stub that fits."""
    raw = RawRecord(
        b"k" * (KEY_BYTES_MAX + 1),
        [("h", b"x" * (HEADER_BYTES_MAX + 1))],
        b"v" * (VALUE_BYTES_MAX + 1),
    )

    document = _build(raw, detail="d" * 5000)

    assert document["value"] is None
    assert document["headers"] == []
    assert document["key"] is None
    assert f"value of {VALUE_BYTES_MAX + 1} bytes left out" in str(document["detail"])
    assert len(orjson.dumps(document)) < 4096


def test_the_largest_record_fits_its_topic() -> None:
    """Base64 of a full value, key and headers stays below what chassis appends at once."""
    raw = RawRecord(
        b"k" * KEY_BYTES_MAX,
        [("\x00" * 100, b"x" * (HEADER_BYTES_MAX - 610))],
        b"v" * VALUE_BYTES_MAX,
    )

    document = _build(raw, detail="d" * 500)

    assert None not in (document["key"], document["value"])
    assert document["headers"]
    assert len(orjson.dumps(document)) < 1_000_000 - 1_000


def test_a_header_name_with_a_lone_surrogate_is_written() -> None:
    """Nothing that a client hands over may stop the stub from being written."""
    document = _build(RawRecord(b"k", [("\ud800", b"x")], b""))

    assert document["headers"] == [["\\ud800", "eA=="]]
