"""Test the reader of answers on bytes alone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverer.sender.http1 import (
    _KNOWN_BYTES_MAX,
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    KEPT_BODY_BYTES_MAX,
    PIECES_MAX,
    ResponseReader,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def _read(*parts: bytes) -> ResponseReader:
    reader = ResponseReader()
    for part in parts:
        reader.feed(part)
        if reader.is_done:
            break
    return reader


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: \xff\xe9\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + OK,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        OK + b"\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_complete_answer_leaves_the_connection_usable(answer: bytes, step: int) -> None:
    """However it is cut into reads (B217)."""
    reader = _read(*(answer[at : at + step] for at in range(0, len(answer), step)))

    assert (reader.status, reader.error, reader.body) == (200, None, b"ok")
    assert reader.is_complete
    assert reader.is_reusable


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"x",
        OK + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nokmore",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ],
)
def test_a_good_head_counts_whatever_follows(answer: bytes) -> None:
    """The first status stands, and the connection is not used again (B213, B214, B219, B227)."""
    reader = _read(answer)

    assert reader.status is not None
    assert reader.status // 100 == 2
    assert not reader.is_reusable


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"<html>\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1 1000 OK\r\n\r\n",
        b"HTTP/1.1 000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 6,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 65 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_BYTES_MAX,
        b"HTTP/1.1 103 Early\r\nX: "
        + b"y" * 8000
        + b"\r\n\r\nHTTP/1.1 200 OK\r\nX: "
        + b"y" * 9000,
    ],
)
@pytest.mark.parametrize("step", [11, 100_000])
def test_a_broken_head_is_an_error_without_a_status(answer: bytes, step: int) -> None:
    """Nothing that is not HTTP/1 with a status of 200 to 599 passes (B209, B210, B215 to B218)."""
    reader = _read(*(answer[at : at + step] for at in range(0, len(answer), step)))

    assert reader.error
    assert reader.is_done
    assert reader.status is None
    assert not reader.is_reusable


def test_the_largest_head_passes() -> None:
    """16 KiB and 64 fields are allowed, the next byte is not."""
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: "
    head = start + b"y" * (HEAD_BYTES_MAX - len(start) - 4) + b"\r\n\r\n"
    fields = b"HTTP/1.1 204 OK\r\n" + b"X: y\r\n" * 64 + b"\r\n"

    assert _read(head).is_reusable
    assert _read(fields).is_reusable
    assert _read(head[:-4] + b"y" + head[-4:]).error


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n",
        b"HTTP/1.1 500 No\r\n\r\n",
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    ],
)
def test_an_endless_body_is_read_to_its_bound(head: bytes) -> None:
    """The start is kept, the rest is not even looked at (B206)."""
    reader = _read(head, *[b"x" * 1000] * 100)

    assert reader.is_done
    assert not reader.is_complete
    assert reader.status == 500
    assert reader.body == b"x" * KEPT_BODY_BYTES_MAX
    assert not reader.is_reusable


def test_one_huge_read_is_cut_at_the_bounds() -> None:
    """What a loop hands over at once may be far larger than what is wanted."""
    reader = _read(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (HEAD_BYTES_MAX + BODY_BYTES_MAX + 1))

    assert reader.is_done
    assert reader.status == 200


def test_a_compressed_body_is_kept_as_it_came() -> None:
    """Nothing is ever inflated (B207)."""
    bomb = b"\x1f\x8b" + b"\x00" * 100
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 102\r\n\r\n"

    reader = _read(head + bomb)

    assert reader.body == bomb
    assert reader.is_reusable


def test_the_fields_that_matter_are_kept_raw() -> None:
    """The first Retry-After counts; those of interim answers and trailers do not."""
    reader = _read(
        b"HTTP/1.1 103 Early\r\nRetry-After: 9\r\n\r\n"
        b"HTTP/1.1 503 No\r\nRETRY-AFTER: 120\r\nRetry-After: 1\r\n"
        b"Webhook-Delivery: abort-message\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nWebhook-Delivery: disable\r\n\r\n"
    )

    assert reader.retry_after == "120"
    assert reader.webhook_delivery == "abort-message"


def test_the_end_after_an_interim_answer_is_an_error() -> None:
    """A final 1xx is no answer."""
    reader = _read(b"HTTP/1.1 102 Processing\r\n\r\n")

    reader.end()

    assert reader.error


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_reading_never_raises_and_cuts_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """Any bytes end in a state, and how they are cut does not change a good answer."""
    whole = _read(data)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    cut = _read(*(data[a:b] for a, b in pairwise(edges)))

    assert cut.status == whole.status


def test_a_head_in_crumbs_is_an_error() -> None:
    """Each piece costs the same however small it is, so their number is bounded."""
    reader = _read(*[b"H", b"TTP/1.1 200 OK\r\nX: "], *[b"y"] * (PIECES_MAX - 3))
    assert (reader.status, reader.error) == (None, None)

    reader.feed(b"y")

    assert (reader.status, reader.error) == (None, "256 pieces came and no whole head")
    assert reader.is_done


def test_a_body_in_crumbs_costs_the_connection_only() -> None:
    """The status was read and counts."""
    reader = _read(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", *[b"y"] * (PIECES_MAX - 2))
    assert not reader.is_done

    reader.feed(b"y")

    assert (reader.status, reader.error) == (200, None)
    assert reader.is_done
    assert not reader.is_reusable


def test_a_body_in_tiny_chunks_costs_the_connection_only() -> None:
    """In however few pieces they come."""
    head = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"

    whole = _read(head + b"1\r\nx\r\n" * PIECES_MAX + b"0\r\n\r\n")
    cut = _read(head + b"1\r\nx\r\n" * (PIECES_MAX + 1) + b"0\r\n\r\n")

    assert (whole.status, whole.is_reusable, whole.body) == (500, True, b"x" * PIECES_MAX)
    assert (cut.status, cut.is_reusable, cut.body) == (500, False, b"x" * PIECES_MAX)
    assert cut.is_done


def test_an_answer_that_ends_with_the_last_piece_is_whole() -> None:
    """And the next one on the connection is counted anew."""
    reader = _read(b"HTTP/1.1 200 OK\r\nContent-Length: 255\r\n\r\n", *[b"y"] * (PIECES_MAX - 1))
    assert reader.is_reusable

    reader.reset()
    for byte in OK:
        reader.feed(bytes([byte]))

    assert (reader.status, reader.is_reusable) == (200, True)


@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(1, 40))
def test_a_damaged_answer_never_gets_another_status(at: int, byte: int, step: int) -> None:
    """A flipped byte gives the same status, an error, or an answer that is not complete."""
    damaged = bytearray(OK + OK)
    damaged[at % len(damaged)] = byte
    data = bytes(damaged)

    reader = _read(*(data[at : at + step] for at in range(0, len(data), step)))

    assert reader.status is None or 200 <= reader.status <= 599


_PIECE = st.sampled_from(
    [
        OK,
        b"HTTP/1.1 204 No Content\r\nRetry-After: 7\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + OK,
        b"HTTP/1.1 103 Early\r\nWebhook-Delivery: disable\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 503 No\r\nContent-Length: 2\r\nWebhook-Delivery: abort-message\r\n\r\nno",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"\r\n" + OK,
        b"<html>",
        OK + b"x",
    ]
)


def _seen(reader: ResponseReader) -> tuple[object, ...]:
    return (
        reader.status,
        reader.error,
        reader.body,
        reader.retry_after,
        reader.webhook_delivery,
        reader.is_done,
        reader.is_reusable,
    )


@given(st.lists(_PIECE, max_size=5), st.integers(1, 40))
def test_a_reader_that_is_used_again_reads_like_a_new_one(answers: list[bytes], step: int) -> None:
    """Nothing of one answer is left for the next on a kept connection."""
    kept = ResponseReader()
    for answer in answers:
        parts = [answer[at : at + step] for at in range(0, len(answer), step)]
        for part in parts:
            kept.feed(part)
            if kept.is_done:
                break
        assert _seen(kept) == _seen(_read(*parts))
        if not kept.is_reusable:
            break
        kept.reset()


LINES = st.sampled_from(
    [
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 410 Gone\r\nWebhook-Delivery: disable\r\nContent-Length: 2\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 600 No\r\nContent-Length: 2\r\n",
    ]
)
FIELDS = st.sampled_from([b"", b"Connection: close\r\n", b"Date: x\r\n", b"X: " + b"y" * 600])
BODIES = st.sampled_from([b"", b"ok", b"okay", b"2\r\nok\r\n0\r\n\r\n", b"\r\n"])


@given(st.lists(st.tuples(LINES, FIELDS, BODIES), min_size=1, max_size=4))
def test_an_answer_that_came_before_is_read_the_same(
    answers: list[tuple[bytes, bytes, bytes]],
) -> None:
    """It is remembered by its bytes; the parser, fed in two pieces, is the referee."""
    kept = ResponseReader()
    for lines, fields, body in answers:
        answer = lines + fields + b"\r\n" + body
        referee = _read(answer[:9], answer[9:])
        for _ in range(3):
            kept.feed(answer)
            assert _seen(kept) == _seen(referee)
            if not kept.is_reusable:
                return
            kept.reset()
            assert _seen(kept) == _seen(ResponseReader())


def test_an_answer_that_came_before_is_not_parsed_again() -> None:
    """Each connection has its own last one: how many receivers there are costs nothing."""
    reader = _read(OK)
    del reader._parser
    reader.reset()

    reader.feed(OK)

    assert _seen(reader) == _seen(_read(OK))


def test_one_answer_is_remembered_and_none_that_is_long() -> None:
    """What thousands of connections keep must be little."""
    short = b"HTTP/1.1 200 OK\r\nX: %d\r\nContent-Length: 0\r\n\r\n"
    reader = _read(short % 1)
    reader.reset()
    reader.feed(short % 2)
    reader.reset()
    reader.feed(
        b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: 0\r\n\r\n" % (b"y" * _KNOWN_BYTES_MAX)
    )

    assert reader.is_reusable
    assert reader._known_bytes == short % 2
