"""What is said of a record of `events`."""

import zlib

import pytest

from hooklane.producer_check import CHECKS, Sample, examine, is_kept
from schemas.topics import partition_of

KEY = b"acme"
PARTITIONS = 12
GOOD = [
    ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/shop"),
    ("ce_type", b"order.paid"), ("content-type", b"application/json"),
]  # fmt: skip


def sample(
    key: bytes | None = KEY,
    value: bytes | None = b"{}",
    headers: list[tuple[str, bytes]] | None = None,
    partition: int | None = None,
) -> Sample:
    """Make a record, in order where nothing else is said."""
    chosen = partition_of(key or b"", PARTITIONS) if partition is None else partition
    return Sample(chosen, 5, key, value, GOOD if headers is None else headers)


def broken(one: Sample) -> dict[str, str]:
    """Give what is broken, with detail and remedy in one text."""
    findings = examine(one, PARTITIONS)
    assert tuple(finding.check for finding in findings) == CHECKS
    return {f.check: f"{f.detail} | {f.remedy}" for f in findings if f.result == "broken"}


@pytest.mark.parametrize(
    "good",
    [
        sample(),
        sample(value=None),
        sample(value=b"\xff not JSON at all"),
        sample(
            value=b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{}}',
            headers=[("content-type", b"application/cloudevents+json")],
        ),
        sample(headers=[*GOOD, ("ce_id", b"2")]),
    ],
)
def test_good_records_have_nothing_broken(good: Sample) -> None:
    """Both modes, no data, data of any kind, a repeated header."""
    assert broken(good) == {}
    assert is_kept(examine(good, PARTITIONS))


def test_librdkafkas_default_is_recognised_with_its_remedy() -> None:
    """The most common mistake names the setting to change."""
    key = next(
        b"s%d" % n
        for n in range(100)
        if zlib.crc32(b"s%d" % n) % PARTITIONS != partition_of(b"s%d" % n, PARTITIONS)
    )

    said = broken(sample(key=key, partition=zlib.crc32(key) % PARTITIONS))

    assert "crc32" in said["partition"]
    assert "partitioner=murmur2_random" in said["partition"]


def test_saramas_default_is_recognised() -> None:
    """FNV-1a over signed 32 bits; the remedy is the same."""
    hashed = 0x811C9DC5
    for byte in b"shop-7":
        hashed = ((hashed ^ byte) * 0x01000193) % 2**32
    signed = hashed - 2**32 if hashed >= 2**31 else hashed
    place = abs(signed) % PARTITIONS
    assert place != partition_of(b"shop-7", PARTITIONS)

    assert "FNV-1a" in broken(sample(key=b"shop-7", partition=place))["partition"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "no key"),
        (b"\xff", "not UTF-8"),
        (b"$internal", "1 to 128"),
        (b'"acme"', "serializer"),
        (b"\x00\x00\x00\x00\x07acme", "serializer"),
    ],
)
def test_a_bad_key_is_explained(key: bytes | None, said: str) -> None:
    """And only the key: the rest of the record is judged all the same."""
    found = broken(sample(key=key))

    assert said in found.pop("key")
    assert found == {}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "missing: ce_specversion ce_id ce_source ce_type"),
        (GOOD[1:], "add ce_specversion: 1.0"),
        ([(name.replace("ce_", "ce-"), value) for name, value in GOOD], "HTTP spelling"),
        ([("cloudEvents:id", b"1")], "AMQP spelling"),
    ],
)
def test_missing_headers_are_listed_at_once(headers: list[tuple[str, bytes]], said: str) -> None:
    """A near miss is named."""
    assert said in broken(sample(headers=headers))["headers"]


def test_several_faults_are_all_told() -> None:
    """Nobody wants to mend one, and run again, four times."""
    wrong = (partition_of(KEY, PARTITIONS) + 1) % PARTITIONS
    one = sample(value=b"x" * 262_145, headers=[("ce_id", b"1")], partition=wrong)

    assert set(broken(one)) == {"partition", "headers", "size"}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("ce_time", b"yesterday"), "RFC 3339"),
        (("ce_subscriber", b"other"), "leave the extension subscriber out"),
        (("ce_Bad-Name", b"x"), "extension"),
    ],
)
def test_attributes_are_judged_as_the_fan_out_does(extra: tuple[str, bytes], said: str) -> None:
    """The same code decides, so what is fine here is never quarantined for its form."""
    assert said in broken(sample(headers=[*GOOD, extra]))["attributes"]


def test_a_broken_document_is_the_attributes_fault() -> None:
    """Structured mode has no required headers."""
    headers = [("content-type", b"application/cloudevents+json")]

    assert set(broken(sample(value=b"{", headers=headers))) == {"attributes"}
