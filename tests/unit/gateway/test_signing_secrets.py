"""Signing secrets."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.signing_secrets import Signature, check_secret, make_secret, public_key_of

SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()


def b64(raw: bytes) -> str:
    """Write base64."""
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("signature", ["v1", "v1a"])
def test_a_made_secret_is_a_good_one(signature: Signature) -> None:
    """What we make passes what we demand."""
    assert check_secret(signature, make_secret(signature, SEED)) is None


@pytest.mark.parametrize(
    ("signature", "secret"),
    [
        ("v1", "whsec_" + b64(b"x" * 24)),
        ("v1", "whsec_" + b64(b"x" * 64)),
        ("v1", "whsec_" + b64(b"x" * 25).rstrip("=")),
        ("v1", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("v1a", "whsk_" + b64(SEED)),
        ("v1a", "whsk_" + b64(SEED + PUBLIC)),
    ],
)
def test_secrets_of_standard_webhooks_are_taken(signature: Signature, secret: str) -> None:
    """Also without padding, as some libraries write them."""
    assert check_secret(signature, secret) is None


@pytest.mark.parametrize(
    ("signature", "secret"),
    [
        ("v1", ""),
        ("v1", "whsec_"),
        ("v1", b64(b"x" * 32)),
        ("v1", "whsec_" + b64(b"x" * 23)),
        ("v1", "whsec_" + b64(b"x" * 65)),
        ("v1", "whsec_" + "A" * 31 + "!"),
        ("v1", "whsec_" + b64(b"x" * 32) + "\n"),
        ("v1", "whsec_" + "-_" * 20),
        ("v1", "whsec_AAAAA" * 50),
        ("v1", "whsk_" + b64(SEED)),
        ("v1a", "whsec_" + b64(SEED)),
        ("v1a", "whsk_" + b64(SEED[:31])),
        ("v1a", "whsk_" + b64(SEED + b"y" * 32)),
        ("v1a", "whsk_" + b64(SEED + PUBLIC[:31])),
    ],
)
def test_other_secrets_are_refused_without_an_echo(signature: Signature, secret: str) -> None:
    """A wrong public half would sign what nobody can verify."""
    reason = check_secret(signature, secret)

    assert reason is not None
    assert b64(SEED) not in reason


def test_the_public_key_is_that_of_the_seed() -> None:
    """Receivers verify with it; a symmetric secret has none."""
    assert public_key_of("whsk_" + b64(SEED)) == "whpk_" + b64(PUBLIC)
    assert public_key_of("whsk_" + b64(SEED + PUBLIC)) == "whpk_" + b64(PUBLIC)
    assert public_key_of("whsec_" + b64(SEED)) is None
    assert public_key_of("whsk_!") is None
