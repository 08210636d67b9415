"""The steps of a verification, with the published vectors and the official library as referees."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from hooklane.verification import Capture, Step, examine, is_verified

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNING = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
STAMP = 1614265330
BODY = b'{"test": 2432232314}'
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def capture(body: bytes = BODY, /, **changed: str) -> Capture:
    """Make the vector's request; keyword arguments replace a header's value."""
    values = {"id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "timestamp": str(STAMP), "signature": V1}
    headers = [(f"Webhook-{name.title()}", value) for name, value in (values | changed).items()]
    return Capture(headers, body)


def steps(request: Capture, secret: str = SECRET, now_s: float = STAMP) -> dict[str, Step]:
    """Examine, by check."""
    return {step.check: step for step in examine(request, secret, now_s=now_s)}


@pytest.mark.parametrize(
    ("signature", "secret"),
    [
        (V1, SECRET),
        (V1, f" {SECRET}\n"),
        (f"v1,AAAA {V1}", SECRET),
        (f"{V1A} {V1}", SECRET),
        (V1A, f"whsk_{SIGNING}"),
        (V1A, "whpk_" + base64.b64encode(base64.b64decode(SIGNING)[32:]).decode()),
    ],
)
def test_both_vectors_verify(signature: str, secret: str) -> None:
    """Alone, second of a rotation, among another scheme; by private or public key."""
    found = examine(capture(signature=signature), secret, now_s=STAMP)

    assert is_verified(found), found


def test_the_official_library_agrees() -> None:
    """What it signs now is verified here, whatever the secret's length."""
    now = datetime.now(UTC)  # noqa: TID251 - the library compares with the machine's clock
    secret = "whsec_" + base64.b64encode(bytes(range(64))).decode()
    signature = Webhook(secret).sign("msg_1", now, BODY.decode())
    request = capture(id="msg_1", timestamp=str(int(now.timestamp())), signature=signature)

    assert is_verified(examine(request, secret, now_s=now.timestamp()))


def test_one_flipped_bit_fails_with_a_hint() -> None:
    """Nothing explains it, so both explanations are offered."""
    found = steps(capture(BODY.replace(b"1", b"3")))

    assert found["signature"].result == "failed"
    assert "another secret" in found["body"].detail


def test_a_changed_body_is_recognised() -> None:
    """The most common mistake of receivers has its own answer."""
    found = steps(capture(b'{"test":2432232314}'))

    assert found["body"].result == "failed"
    assert "serialised again" in found["body"].detail


@pytest.mark.parametrize(
    ("now_s", "result"),
    [(STAMP + 300, "ok"), (STAMP + 302, "failed"), (STAMP - 300, "ok"), (STAMP - 302, "failed")],
)
def test_the_time_is_a_step_of_its_own(now_s: float, result: str) -> None:
    """A good signature that is too old is told apart from a bad one."""
    found = steps(capture(), now_s=now_s)

    assert found["timestamp"].result == result
    assert found["signature"].result == "ok"
    assert is_verified(list(found.values())) == (result == "ok")


@pytest.mark.parametrize(
    ("stamp", "said"),
    [(str(STAMP * 1000), "milliseconds"), ("1614265330.5", "whole number"), ("-5", "whole")],
)
def test_a_malformed_time_says_how(stamp: str, said: str) -> None:
    """Milliseconds are the usual one."""
    assert said in steps(capture(timestamp=stamp))["timestamp"].detail


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin"),
        (f'"{SECRET}"', "quotes"),
        (SECRET[:-5] + "!", "base64"),
        ("whsec_AAAA", "3 bytes"),
        ("whpk_AAAA", "3 bytes"),
    ],
)
def test_the_form_of_a_secret_is_a_step(secret: str, said: str) -> None:
    """With the reason, never the secret."""
    found = steps(capture(), secret)

    assert said in found["secret"].detail
    assert found["signature"].result == "skipped"
    assert SECRET[6:] not in str(found)


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
def test_a_missing_header_is_named(name: str) -> None:
    """And nothing is claimed about the signature."""
    found = steps(capture(**{name: ""}))

    assert found[f"webhook-{name}"].result == "failed"
    assert found["signature"].result == "skipped"
    assert not is_verified(list(found.values()))


def test_renamed_and_repeated_headers_are_explained() -> None:
    """CGI spells them with underscores; a second one is somebody's injection or a proxy's."""
    renamed = Capture([("HTTP_WEBHOOK_ID", "msg_1")], BODY)
    repeated = Capture([*capture().headers, ("webhook-id", "msg_2")], BODY)

    assert "renamed" in steps(renamed)["webhook-id"].detail
    assert "twice" in steps(repeated)["webhook-id"].detail


@pytest.mark.parametrize(
    ("signature", "said"),
    [("v1,***", "not base64"), ("v2,AAAA", "not for this secret"), (V1A, "not for this secret")],
)
def test_each_signature_is_told(signature: str, said: str) -> None:
    """Which one, and why it does not count."""
    assert said in steps(capture(signature=signature))["signature"].detail


def test_a_seed_alone_is_a_signing_key() -> None:
    """`whsk_` may be 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signed = f"msg_1.{STAMP}.".encode() + BODY
    signature = "v1a," + base64.b64encode(key.sign(signed)).decode()
    secret = "whsk_" + base64.b64encode(bytes(32)).decode()

    assert is_verified(examine(capture(id="msg_1", signature=signature), secret, now_s=STAMP))
