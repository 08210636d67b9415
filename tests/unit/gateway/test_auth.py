"""Bearer keys."""

import pytest

from gateway.api_keys import KeyBody, create_key, make_token, revoke_key
from gateway.auth import ROOT, Keyring, Principal, digest_of
from gateway.quotas import Quota
from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord
from tests.fakes.gateway import MemoryShelf, MemoryTopic

KEY = "k" * 40
NOW_MS = 1_767_225_600_000
EXPIRES = "2026-01-01T00:00:01Z"


@pytest.fixture
def keys() -> MemoryShelf[ApiKeyRecord]:
    """Give a shelf without keys."""
    return MemoryShelf(MemoryTopic(), "key", ApiKeyRecord, holder=KEYS_SUBSCRIBER)


async def made(keys: MemoryShelf[ApiKeyRecord], **fields: object) -> str:
    """Make a key and give it."""
    body = KeyBody.model_validate({"name": "n", "scopes": ["events:write"], **fields})
    token = make_token("key_1", b"\x07" * 32)
    await keys.write("key_1", lambda: create_key(body, key_id="key_1", token=token, now_ms=NOW_MS))
    return token


def principal_of(
    keys: MemoryShelf[ApiKeyRecord], key: str, *, now_ms: int = NOW_MS
) -> Principal | None:
    """Ask the keyring."""
    return Keyring(KEY, keys).principal_of(f"Bearer {key}", now_ms=now_ms)


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY} "])
def test_the_root_key_opens(keys: MemoryShelf[ApiKeyRecord], header: str) -> None:
    """Schemes ignore case, blanks around the key do not matter."""
    assert Keyring(KEY, keys).principal_of(header, now_ms=NOW_MS) is ROOT


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY} {KEY}",
        f"Bearer {KEY.upper()}",
        "Bearer \udcff\udcfe",
        "Bearer kéy",
        f"Bearer {'k' * 100_000}",
        "Bearer hlk_key_1_x",
        "Bearer hlk_key_1_" + "0" * 64,
    ],
)
def test_nothing_else_opens(keys: MemoryShelf[ApiKeyRecord], header: str | None) -> None:
    """Broken, short, long and foreign keys are all just no key."""
    assert Keyring(KEY, keys).principal_of(header, now_ms=NOW_MS) is None


async def test_a_key_of_the_registry_opens_what_it_says(
    keys: MemoryShelf[ApiKeyRecord],
) -> None:
    """Scopes, subscriber and quota come from the record."""
    quota = {"events_per_second": 2.5}
    token = await made(keys, subscriber="acme", quota=quota)

    assert principal_of(keys, token) == Principal(
        key_id="key_1",
        scopes=frozenset({"events:write"}),
        subscriber="acme",
        quota=Quota(2.5, 3),
    )


async def test_no_other_secret_opens_a_key_that_exists(
    keys: MemoryShelf[ApiKeyRecord],
) -> None:
    """Nor does what the topic holds."""
    token = await made(keys)
    stored = keys.find("key_1")
    assert stored is not None

    for wrong in (token[:-1], token + "0", "hlk_key_1_0", f"hlk_key_1_{stored.record.digest}"):
        assert principal_of(keys, wrong) is None
    assert token not in stored.value.decode()
    assert stored.record.digest == digest_of(token)


async def test_an_expired_key_opens_nothing(keys: MemoryShelf[ApiKeyRecord]) -> None:
    """To the millisecond."""
    token = await made(keys, expires_at=EXPIRES)

    assert principal_of(keys, token, now_ms=NOW_MS + 999) is not None
    assert principal_of(keys, token, now_ms=NOW_MS + 1_000) is None


async def test_a_revoked_key_opens_nothing(keys: MemoryShelf[ApiKeyRecord]) -> None:
    """As soon as the record is read."""
    token = await made(keys)
    stored = keys.find("key_1")
    assert stored is not None

    await keys.write("key_1", lambda: revoke_key(stored.raw(), stored.record, now_ms=NOW_MS))

    assert principal_of(keys, token) is None


def test_admin_holds_every_scope_and_others_only_their_own() -> None:
    """The root key is an admin of everything."""
    writer = Principal(key_id="key_1", scopes=frozenset({"events:write"}), subscriber="acme")

    assert ROOT.may("replay")
    assert ROOT.sees("acme")
    assert ROOT.sees(None)
    assert writer.may("events:write")
    assert not writer.may("subscriptions:read")
    assert [writer.sees(name) for name in ("acme", "globex", None)] == [True, False, False]
