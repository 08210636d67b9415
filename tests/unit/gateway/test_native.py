"""The quick reading of our own JSON shape."""

import json

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import JsonObject, check_json, parse_object
from gateway.native import (
    NATIVE_FIELDS,
    NativeEvent,
    is_sound,
    read_plain,
    read_plain_batch,
)

PLAIN = b'{"subscriber":"acme","type":"order.paid"}'


def test_a_compact_document_is_read_at_a_glance() -> None:
    """All fields, letters of any script, and the data as it stands."""
    body = (
        '{"data":{"a": [1e2]},"type":"t","id":"ü","source":"/s","time":"x","subject":"日本",'
        '"ordering_key":"k","subscriber":"acme"}'
    )

    assert read_plain(body.encode()) == NativeEvent(
        subscriber="acme",
        type="t",
        id="ü",
        source="/s",
        time="x",
        subject="日本",
        ordering_key="k",
        data=msgspec.Raw(b'{"a": [1e2]}'),
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"subscriber":"acme","type":"a","type":"b"}',
        b'{"subscriber":"acme","type":"a","type":"a"}',
        b'{"subscriber":"acme","type":"a","id":null}',
        b'{"subscriber":"acme","type":"a","id":"1","id":null}',
        b'{"subscriber":"acme","type":"a","data":1,"data":2}',
        b'{"subscriber":"acme","type":"\\u0061"}',
        b'{"subscriber":"acme","type":"a","other":1}',
        b'{"subscriber":"acme","type":5}',
        b'{"subscriber":"acme"}',
        b'{"subscriber": "acme","type":"a"}',
        PLAIN + b" ",
        PLAIN + PLAIN,
        b"[]",
        b"",
        b'{"subscriber":"acme","type":"\xff"}',
        b'{"subscriber":"\xff","type":"a"}',
        b'{"subscriber":"acme","type":"a","id":"\xc0\xaf"}',
        b'{"subscriber":"acme","type":"a","subject":"\xed\xa0\x80"}',
        b'{"subscriber":"acme","type":"a","ti\xffme":"x"}',
    ],
)
def test_anything_else_needs_a_closer_look(body: bytes) -> None:
    """Repeated names above all: the parser would keep the last one and say nothing."""
    assert read_plain(body) is None
    assert read_plain_batch(b"[" + body + b"]") is None


@pytest.mark.parametrize("is_good", [True, False])
def test_a_batch_is_read_when_all_of_its_documents_are_plain(*, is_good: bool) -> None:
    """One of them that is not leaves bytes over, wherever it stands."""
    other = PLAIN if is_good else PLAIN.replace(b",", b", ", 1)

    events = read_plain_batch(b"[" + b",".join([PLAIN, other, PLAIN]) + b"]")

    assert events == ([read_plain(PLAIN)] * 3 if is_good else None)


@pytest.mark.parametrize(
    ("data", "is_good"),
    [
        (b'{"a":[1e2]}', True),
        (b"[" * 63 + b"]" * 63, True),
        (b'"' + b"[" * 70 + b'"', True),
        (b"[" * 64 + b"]" * 64, False),
        (b'"\xff"', False),
        (b"NaN", False),
        (b"1e400", False),
    ],
)
def test_the_data_is_judged_as_in_its_document(data: bytes, *, is_good: bool) -> None:
    """The envelope is a level of its own."""
    document = b'{"subscriber":"acme","type":"a","data":%b}' % data

    assert is_sound(data) is is_good
    assert (check_json(document) is None) is is_good


_TEXTS = st.text(max_size=4)
_VALUES = st.one_of(_TEXTS, st.none(), st.integers(), st.just({"type": ["id"]}))
_NOISE = st.sampled_from([b"", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"\xc3\xbc"])
_MEMBERS = st.lists(st.tuples(st.sampled_from([*NATIVE_FIELDS, "x"]), _VALUES), max_size=6)


@given(
    members=_MEMBERS,
    is_spaced=st.booleans(),
    is_escaped=st.booleans(),
    noise=st.tuples(st.integers(0, 120), _NOISE),
)
def test_what_is_read_at_a_glance_is_what_the_closer_look_finds(
    members: list[tuple[str, object]],
    *,
    is_spaced: bool,
    is_escaped: bool,
    noise: tuple[int, bytes],
) -> None:
    """A document that is taken has no repeated name, and the same fields either way.

    Bytes that are no text may stand anywhere in it.
    """
    colon, comma = (": ", ", ") if is_spaced else (":", ",")
    pairs = [("subscriber", "acme"), ("type", "t"), *members]
    body = comma.join(
        f'"{name}"{colon}{json.dumps(value, ensure_ascii=is_escaped)}' for name, value in pairs
    )
    raw = ("{" + body + "}").encode()
    at = noise[0] % len(raw)
    raw = raw[:at] + noise[1] + raw[at:]

    event = read_plain(raw)

    if event is None or (event.data and not is_sound(bytes(event.data))):
        return
    document = parse_object(raw)
    assert isinstance(document, JsonObject)
    found = {name: getattr(event, name) for name in NATIVE_FIELDS if name != "data"}
    assert {name: text for name, text in found.items() if text is not None} == {
        name: value for name, value in document.members.items() if name != "data"
    }
    if event.data:
        assert orjson.loads(bytes(event.data)) == document.members["data"]
