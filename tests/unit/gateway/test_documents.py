"""Strict JSON, the B301 to B307 rows of the list of hostile bodies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import (
    JsonObject,
    JsonRefused,
    check_json,
    parse_object,
    split_array,
)
from gateway.problems import Code


def nested(depth: int) -> bytes:
    """Make an object of a depth, itself counted."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{}{}",
        b"{} x",
        b'{"a":1,}',
        b'{"a":1 /* no */}',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}',
        '{"a":1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":' + b"1" * 4301 + b"}",
        nested(65),
        nested(1_025),
        b"[" * 1_000_000,
        b"{" + b",".join(b'"%d":1' % n for n in range(257)) + b"}",
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"a":12}',
        b'{"a":1,"a":12}',
        b'{"a":12,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":{"b":1},"a":{"b":1}}',
        b'{ "a" : [1, "}"] , "a" : [1, "}"] }',
    ],
)
def test_what_is_no_strict_json_object_is_refused(body: bytes) -> None:
    """Two readers must never see two different events in one body."""
    refused = parse_object(body)

    assert isinstance(refused, JsonRefused)
    assert refused.detail
    assert refused.problem().code is Code.INVALID_JSON


@pytest.mark.parametrize("body", [b"[]", b'"text"', b" 1 ", b"null", b"[{}]"])
def test_good_json_of_another_kind_is_understood_and_wrong(body: bytes) -> None:
    """It is told apart from what is no JSON: 422, and the whole document is meant."""
    refused = parse_object(body)

    assert isinstance(refused, JsonRefused)
    problem = refused.problem()
    assert problem.code is Code.VALIDATION_FAILED
    assert [one.pointer for one in problem.errors] == [""]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b" { } \n",
        b'{"a":1}',
        b'{"a" : 1 , "b":\t[1,{"a":2,"a":3}]}',
        b'{"a":"\\u0061","\\u0062":"{\\"a\\":1}"}',
        b'{"a\\"":{"x":"]"},"a":[]}',
        b'{"":null,"a":-0.0}',
        nested(64),
        b'{"a":"' + b"[" * 100 + b'"}',
        b'{"a":[' + b",".join([b"[]"] * 500) + b"]}",
        '{"ü":"\\ud83d\\ude00"}'.encode(),
    ],
)
def test_strict_json_objects_are_taken(body: bytes) -> None:
    """Repeated names below the envelope, brackets in strings and wide documents are fine."""
    assert isinstance(parse_object(body), JsonObject)


@pytest.mark.parametrize(
    "data",
    [
        b"18446744073709551616",
        b"1e2",
        b"-0",
        b'"\\u00e9 \\/"',
        b'{ "b" : 1,\n "a" : 0.10 }',
        b"0." + b"3" * 40,
    ],
)
def test_the_bytes_of_a_member_stay_what_they_were(data: bytes) -> None:
    """A round trip would change numbers, escapes and blanks under a signature."""
    document = parse_object(b'{"x": 1, "data": ' + data + b' ,"y":2}')

    assert isinstance(document, JsonObject)
    assert document.raw["data"] == data


def test_details_do_not_quote_the_body() -> None:
    """What is refused may hold a secret."""
    refused = check_json(b'{"password": hunter2}')

    assert refused is not None
    assert "hunter2" not in refused.detail


def test_an_array_is_cut_into_the_bytes_of_its_items() -> None:
    """Items are judged one by one, so they must not influence one another."""
    items = split_array(b'[ {"a":1} ,2, "x" ]', items_max=3)

    assert items == [b'{"a":1}', b"2", b'"x"']


@pytest.mark.parametrize(
    ("body", "is_json"),
    [
        (b"", False),
        (b"[1,]", False),
        (b"[" * 100_000, False),
        (b'["\\ud8', False),
        (b"{}", True),
        (b'"text"', True),
        (b"1", True),
        (b"null", True),
        (b'{"a":', False),
        (b'{"a":1} x', False),
        (b'{"a":NaN}', False),
        (b'"\xff"', False),
        (nested(65), False),
    ],
)
def test_what_is_no_array_is_refused(body: bytes, *, is_json: bool) -> None:
    """Neither broken text nor a deep one costs more than a refusal."""
    refused = split_array(body, items_max=3)

    assert isinstance(refused, JsonRefused)
    code = Code.VALIDATION_FAILED if is_json else Code.INVALID_JSON
    assert refused.problem().code is code


def test_an_array_above_the_limit_is_told_apart() -> None:
    """It answers 413, not 400."""
    assert split_array(b"[1,2,3,4]", items_max=3) is None
    assert split_array(b"[]", items_max=3) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(document=st.dictionaries(st.text(max_size=3), JSON, max_size=5), is_ascii=st.booleans())
def test_what_any_writer_writes_is_read_with_its_bytes(
    document: dict[str, object], is_ascii: bool
) -> None:
    """Blanks, escapes and nesting make no difference to the walk over the members."""
    for separators in ((",", ":"), (" , ", " :\n")):
        raw = json.dumps(document, ensure_ascii=is_ascii, separators=separators).encode()

        parsed = parse_object(raw)

        assert isinstance(parsed, JsonObject)
        assert parsed.raw.keys() == document.keys()
        assert all(json.loads(parsed.raw[name]) == document[name] for name in document)


@given(
    document=st.dictionaries(st.text(max_size=3), JSON, min_size=1, max_size=4),
    place=st.integers(0, 4),
    value=JSON,
    is_escaped=st.booleans(),
)
def test_a_repeated_name_is_found_wherever_it_stands(
    document: dict[str, object], place: int, value: object, is_escaped: bool
) -> None:
    """Whatever its value, and however it is spelled."""
    name = next(iter(document))
    members = list(document.items())
    members.insert(place, (name, value))
    texts = [f"{json.dumps(key)}: {json.dumps(item)}" for key, item in members]
    if is_escaped and name:
        spelled = "".join(f"\\u{ord(char):04x}" for char in name if ord(char) < 0x10000)
        texts.append(f'"{spelled}": 1')

    assert isinstance(parse_object(("{" + ",".join(texts) + "}").encode()), JsonRefused)


@given(raw=st.binary(max_size=40) | st.text('{}[]":,\\u0a1 ', max_size=20).map(str.encode))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    """Any body is an answer."""
    assert isinstance(parse_object(raw), JsonObject | JsonRefused)
    split_array(raw, items_max=3)
