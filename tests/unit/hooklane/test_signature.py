"""Our verification agrees with the official library, in both directions."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hooklane.signature import Rejected, Verified, secret_bytes, verify

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW_S = 1_700_000_000


def headers(body: bytes, **changed: str) -> dict[str, str]:
    """Sign by the official library."""
    sent = datetime.fromtimestamp(NOW_S, UTC)
    given_headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(NOW_S),
        "webhook-signature": Webhook(SECRET).sign("msg_1", sent, body.decode()),
    }
    return given_headers | {name.replace("_", "-"): value for name, value in changed.items()}


@given(st.text())
def test_what_the_official_library_signs_is_verified(text: str) -> None:
    """Any body that it signs is accepted."""
    body = text.encode()

    assert verify(KEY, headers(body), body, now_s=NOW_S) == Verified("msg_1", NOW_S)


def test_one_good_signature_of_several_is_enough() -> None:
    """During a rotation two secrets sign; other versions are passed over."""
    good = headers(b"x")["webhook-signature"]
    several = headers(b"x", webhook_signature=f"v1a,AAAA v1,AAAA {good}")

    assert isinstance(verify(KEY, several, b"x", now_s=NOW_S), Verified)


@pytest.mark.parametrize(
    ("changed", "body", "reason"),
    [
        ({}, b"other", "does not match"),
        ({"webhook_id": "msg_2"}, b"x", "does not match"),
        ({"webhook_timestamp": str(NOW_S - 1)}, b"x", "does not match"),
        ({"webhook_signature": "v1,\xe4"}, b"x", "does not match"),
        ({"webhook_signature": "v1a,AAAA"}, b"x", "no v1 signature"),
        ({"webhook_timestamp": str(NOW_S - 301)}, b"x", "300 s away"),
        ({"webhook_timestamp": str(NOW_S + 301)}, b"x", "300 s away"),
        ({"webhook_timestamp": "soon"}, b"x", "not a number"),
        ({"webhook_timestamp": "\u0661"}, b"x", "not a number"),
        ({"webhook_signature": ""}, b"x", "no header webhook-signature"),
    ],
)
def test_anything_else_is_rejected(changed: dict[str, str], body: bytes, reason: str) -> None:
    """Each rejection says why, and none shows a signature."""
    verdict = verify(KEY, headers(b"x", **changed), body, now_s=NOW_S)

    assert isinstance(verdict, Rejected)
    assert reason in verdict.reason
    assert "v1," not in verdict.reason


def test_another_secret_is_rejected() -> None:
    """The key decides."""
    assert isinstance(verify(b"k" * 32, headers(b"x"), b"x", now_s=NOW_S), Rejected)


def test_a_secret_is_decoded_with_and_without_its_prefix() -> None:
    """Both spellings are common."""
    assert secret_bytes(SECRET) == secret_bytes(SECRET.removeprefix("whsec_")) == KEY


@pytest.mark.parametrize("bad", ["whsec_*", "whsec_YQ==", "", "whsec_" + "A" * 100])
def test_a_bad_secret_is_refused(bad: str) -> None:
    """Wrong base64 or length is a ValueError whose text does not repeat it."""
    with pytest.raises(ValueError, match="secret") as caught:
        secret_bytes(bad)

    assert not bad or bad not in str(caught.value)
