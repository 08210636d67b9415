"""Tests of the ids."""

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import (
    created_ms,
    crockford,
    id_of,
    idempotent_event_id,
    siblings_of,
    webhook_id,
)


def test_a_webhook_id_is_128_bits_in_26_characters() -> None:
    """The same event has the same id for ever: the bytes are pinned here."""
    hashed = hashlib.blake2b(
        b"\x00\x00\x00\x04acme\x00\x00\x00\x02/s\x00\x00\x00\x011", digest_size=16
    ).digest()

    assert webhook_id("acme", "/s", "1") == "msg_" + crockford(hashed)
    assert len(webhook_id("acme", "/s", "1")) == 30


def test_fields_do_not_run_into_one_another() -> None:
    """(`a`, `bc`) and (`ab`, `c`) are different events."""
    assert webhook_id("a", "bc", "d") != webhook_id("ab", "c", "d")
    assert webhook_id("a", "b", "cd") != webhook_id("a", "bc", "d")


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"\x00" * 5, "00000000"), (b"\xff" * 5, "zzzzzzzz"), (b"\x01", "01"), (b"\xff", "7z")],
)
def test_base32_uses_the_alphabet_of_crockford(raw: bytes, text: str) -> None:
    """No i, l, o or u; zero bits stand in front."""
    assert crockford(raw) == text


@given(st.binary(min_size=16, max_size=16))
def test_16_bytes_are_written_as_the_number_that_they_are(raw: bytes) -> None:
    """The quick form of ids is the plain one: five bits a character, from the end."""
    number, text = int.from_bytes(raw, "big"), ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text = "0123456789abcdefghjkmnpqrstvwxyz"[digit] + text

    assert crockford(raw) == text


def test_ids_sort_as_their_uuids() -> None:
    """A list by id is a list by time."""
    early = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057").bytes
    late = uuid.UUID("01890a5d-ac97-774b-bcce-b302099a8057").bytes

    assert id_of("sub", early) < id_of("sub", late)
    assert id_of("key", early).startswith("key_01")


@given(st.integers(min_value=0, max_value=2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_tells_when_it_was_made(at_ms: int, rest: bytes) -> None:
    """A UUIDv7 begins with its milliseconds."""
    assert created_ms(id_of("sub", at_ms.to_bytes(6, "big") + rest)) == at_ms


@pytest.mark.parametrize(
    "text", ["", "sub_1", "sub_" + "u" * 26, "sub_" + "0" * 27, "0" * 26, "sub_" + "8" * 26]
)
def test_what_is_no_id_of_ours_was_made_at_no_time(text: str) -> None:
    """A test or another tool may have written it."""
    assert created_ms(text) == 0


def test_a_repeated_idempotency_key_names_the_same_event() -> None:
    """Another subscriber or another key names another one."""
    assert idempotent_event_id("a", "/s", "k") == idempotent_event_id("a", "/s", "k")
    assert idempotent_event_id("a", "/s", "k") != idempotent_event_id("b", "/s", "k")
    assert idempotent_event_id("a", "/s", "k")[4:] != webhook_id("a", "/s", "k")[4:]


def test_siblings_differ_in_their_end_only_and_sort_in_their_order() -> None:
    """A batch draws once: nobody else has the rest, so nobody else has any of them."""
    first = id_of("evt", bytes(range(16)))

    ids = siblings_of(first, 1_000)

    assert len(set(ids)) == 1_000
    assert ids == sorted(ids)
    assert {one[:-2] for one in ids} == {first[:-2]}
    assert all(len(one) == len(first) for one in ids)
    with pytest.raises(ValueError, match="1024"):
        siblings_of(first, 1_025)
