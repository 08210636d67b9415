"""Test Standard Webhooks signatures against the published vectors and the official library."""

import base64

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chassis.clock import SystemClock
from deliverer.signing import AsymmetricSigner, SecretInvalid, parse_secret

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEY = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
KEY_SIGNATURE = (
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)


def test_the_published_symmetric_vector_is_met() -> None:
    """The value that all official libraries share (B401)."""
    assert parse_secret(SECRET).sign(ID, TIMESTAMP, BODY) == SIGNATURE


def test_the_published_asymmetric_vector_is_met() -> None:
    """Ed25519 from a seed with its public key (B401)."""
    assert parse_secret(KEY).sign(ID, TIMESTAMP, BODY) == KEY_SIGNATURE


def test_a_seed_alone_signs_like_the_pair() -> None:
    """The public half is derived; both spellings of a secret are one key."""
    raw = base64.b64decode(KEY.removeprefix("whsk_"))
    signer = parse_secret("whsk_" + base64.b64encode(raw[:32]).decode())

    assert isinstance(signer, AsymmetricSigner)
    assert signer.sign(ID, TIMESTAMP, BODY) == KEY_SIGNATURE
    assert signer.public_key == "whpk_" + base64.b64encode(raw[32:]).decode()


@pytest.mark.parametrize("body", [b"", b"{}", "ünïcode\r\n\x00".encode(), b"x" * 262_144], ids=len)
def test_the_official_library_verifies(body: bytes) -> None:
    """Any body verifies, and one flipped bit does not (B402, B405, B408)."""
    timestamp = SystemClock().now_ms() // 1000
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": parse_secret(SECRET).sign(ID, timestamp, body),
    }
    verifier = Webhook(SECRET)

    verifier.verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(body + b"x", headers, json_parse=False)


@pytest.mark.parametrize(("size", "is_valid"), [(23, False), (24, True), (64, True), (65, False)])
def test_a_symmetric_secret_has_24_to_64_bytes(size: int, is_valid: bool) -> None:
    """Shorter is weak, longer breaks the standard (B409)."""
    text = "whsec_" + base64.b64encode(b"k" * size).decode()

    if is_valid:
        assert parse_secret(text).sign(ID, TIMESTAMP, BODY).startswith("v1,")
    else:
        with pytest.raises(SecretInvalid):
            parse_secret(text)


def test_missing_padding_is_forgiven() -> None:
    """Some tools drop the equal signs."""
    padded = "whsec_" + base64.b64encode(b"k" * 25).decode()

    first = parse_secret(padded).sign(ID, TIMESTAMP, BODY)

    assert parse_secret(padded.rstrip("=")).sign(ID, TIMESTAMP, BODY) == first


@pytest.mark.parametrize(
    "text",
    [
        "", "s3cret", "whsec_", "whsec_!!!!", "whsk_" + "A" * 40, "whsec_AAAA\nAAAA",
        "whsk_" + base64.b64encode(b"s" * 64).decode(),
    ],
)  # fmt: skip
def test_a_broken_secret_is_refused_without_being_shown(text: str) -> None:
    """Wrong prefix, alphabet, length, or a public half of another seed."""
    with pytest.raises(SecretInvalid) as refused:
        parse_secret(text)

    assert text in {"", "whsec_"} or text not in str(refused.value)
    assert refused.value.__cause__ is None
