"""What the deliverer knows of subscriptions."""

import base64

import orjson
import pytest

from chassis.vault import Vault
from deliverer.endpoints import (
    NO_SUBSCRIPTION,
    Absent,
    Endpoint,
    OpenedCache,
    PartitionEndpoints,
    VaultClosed,
    decode_entry,
    secrets_of,
)
from deliverer.policy.limiter import Rate
from deliverer.request import Recipient
from schemas.registry import SealedFields, registry_key
from tests.fakes.deliverer import KEYS, SECRET, registry_entry, silent_log


def endpoints(keys: list[tuple[str, bytes]] | None = None) -> PartitionEndpoints:
    """Return an empty view."""
    return PartitionEndpoints(
        Vault(keys or KEYS), opened=OpenedCache(entries_max=2), log=silent_log()[0]
    )


def test_a_policy_is_compiled_from_the_record() -> None:
    """Seconds become milliseconds, older lane epochs keep their mode."""
    view = endpoints()
    view.changed(
        *registry_entry(
            "sub_a",
            ordering="none",
            lane_epoch=2,
            drop_before=1,
            orderings={"1": "strict"},
            retry={"schedule_s": [0.1, 5], "max_age_s": 60},
            max_in_flight=3,
        )
    )

    policy = view.policy("sub_a")

    assert policy is not None
    assert (policy.status, policy.lane_epoch, policy.drop_before) == ("active", 2, 1)
    assert (policy.mode_of(1), policy.mode_of(2)) == ("strict", "none")
    assert (policy.schedule_ms, policy.max_age_ms, policy.max_in_flight) == ((100, 5000), 60_000, 3)


@pytest.mark.parametrize(
    ("rate_limit", "rate"),
    [
        (None, None),
        ({"per_second": 10}, Rate(100.0, 10)),
        ({"per_second": 0.5}, Rate(2_000.0, 1)),
        ({"per_second": 2, "burst": 5}, Rate(500.0, 5)),
    ],
)
def test_a_rate_limit_bursts_by_a_second_unless_it_says_more(
    rate_limit: dict[str, float] | None, rate: Rate | None
) -> None:
    """CONTRACT §4; without one there is no bucket."""
    view = endpoints()
    view.changed(*registry_entry("sub_a", rate_limit=rate_limit))

    policy = view.policy("sub_a")

    assert policy is not None
    assert policy.rate_limit == rate


@pytest.mark.parametrize("gone", ["unknown", "deleted", "tombstone"])
def test_a_subscription_that_is_gone_has_no_policy(gone: str) -> None:
    """Deleted records and tombstones are the same to a delivery."""
    view = endpoints()
    key, entry = registry_entry("sub_a")
    if gone != "unknown":
        view.changed(key, entry)
        view.changed(key, None if gone == "tombstone" else registry_entry("sub_a", deleted=True)[1])

    assert view.policy("sub_a") is None
    assert isinstance(view.endpoint("sub_a"), Absent)


def test_other_records_of_the_registry_are_none_of_its_business() -> None:
    """Keys, subscribers and junk keys change nothing and tell nobody."""
    view, told = endpoints(), list[str]()
    view.listen(told.append)

    view.changed(registry_key("acme", "key", "k"), NO_SUBSCRIPTION)
    view.changed(b"junk", NO_SUBSCRIPTION)

    assert told == []


def test_each_change_is_told_until_nobody_listens() -> None:
    """The machine keeps the policy of a subscription it has lanes of."""
    view, told = endpoints(), list[str]()
    view.listen(told.append)
    key, entry = registry_entry("sub_a")

    view.changed(key, entry)
    view.changed(key, None)
    view.listen(None)
    view.changed(key, entry)

    assert told == ["sub_a", "sub_a"]
    assert view.key_of("sub_a") == key
    assert view.key_of("sub_b") is None


def test_an_endpoint_is_opened_and_lists_what_to_mask() -> None:
    """The secret also without its prefix."""
    view = endpoints()
    view.changed(*registry_entry("sub_a", timeout_s=3.5))

    found = view.endpoint("sub_a")

    assert isinstance(found, Endpoint)
    assert isinstance(found.recipient, Recipient)
    assert (found.recipient.host, found.recipient.timeout_s) == ("hooks.example.com", 3.5)
    assert found.secrets == (SECRET, SECRET.removeprefix("whsec_"))
    assert SECRET not in repr(found)


def test_a_new_version_is_opened_anew() -> None:
    """The cache forgets what changed: attempts use the current URL and secrets."""
    view = endpoints()
    view.changed(*registry_entry("sub_a"))
    before = view.endpoint("sub_a")

    assert view.endpoint("sub_a") is before
    view.changed(*registry_entry("sub_a", version=2))
    assert view.endpoint("sub_a") is not before


def test_an_unknown_vault_key_holds_the_subscription() -> None:
    """Nothing is sent, nothing is burnt; it shows before anything is due, and one line tells it."""
    log, said = silent_log()
    view = PartitionEndpoints(Vault([("k2", b"x" * 32)]), opened=OpenedCache(), log=log)
    told: list[str] = []
    view.listen(told.append)
    view.changed(*registry_entry("sub_a"))
    view.changed(*registry_entry("sub_b"))

    assert isinstance(view.endpoint("sub_a"), VaultClosed)
    assert view.closed == 2
    policy = view.policy("sub_a")
    assert policy is not None
    assert policy.status == "paused"
    assert told == ["sub_a", "sub_b"]
    assert [entry["event"] for entry in said.entries] == ["endpoint.vault_closed"]

    view.changed(registry_entry("sub_a")[0], None)
    assert view.closed == 1


def test_a_key_that_is_known_by_name_only_holds_too() -> None:
    """Another key under the same id is found when the seal is opened; the machine hears of it."""
    log, said = silent_log()
    view = PartitionEndpoints(Vault([(KEYS[0][0], b"x" * 32)]), opened=OpenedCache(), log=log)
    told: list[str] = []
    view.changed(*registry_entry("sub_a"))
    view.listen(told.append)

    assert isinstance(view.endpoint("sub_a"), VaultClosed)
    assert isinstance(view.endpoint("sub_a"), VaultClosed)

    policy = view.policy("sub_a")
    assert policy is not None
    assert policy.status == "paused"
    assert view.closed == 1
    assert told == ["sub_a"]
    assert [entry["event"] for entry in said.entries] == ["endpoint.vault_closed"]


def test_subscriptions_share_one_policy() -> None:
    """A hundred thousand that say the same cost one."""
    view = endpoints()
    view.changed(*registry_entry("sub_a"))
    view.changed(*registry_entry("sub_b"))
    view.changed(*registry_entry("sub_c", max_in_flight=2))

    assert view.policy("sub_a") is view.policy("sub_b")
    assert view.policy("sub_a") != view.policy("sub_c")


@pytest.mark.parametrize("sealed", ["not base64!", "", base64.b64encode(b"junk").decode()])
def test_a_damaged_seal_holds_the_subscription(sealed: str) -> None:
    """It is our fault or an attacker's, never the receiver's."""
    view = endpoints()
    view.changed(*registry_entry("sub_a", sealed=sealed))

    assert isinstance(view.endpoint("sub_a"), VaultClosed)


def test_a_disabled_subscription_has_no_endpoint() -> None:
    """P9: an attempt decided a moment ago does not start."""
    view = endpoints()
    view.changed(*registry_entry("sub_a", status="disabled"))

    assert isinstance(view.endpoint("sub_a"), Absent)


def test_the_cache_keeps_the_most_recently_used() -> None:
    """Secrets in memory are bounded."""
    cache = OpenedCache(entries_max=2)
    one = Endpoint(None, ())  # type: ignore[arg-type]  # never looked into
    for key in (b"a", b"b"):
        cache.put(key, one)
    cache.get(b"a")
    cache.put(b"c", one)

    assert cache.get(b"a") is one
    assert cache.get(b"b") is None


def test_a_record_that_cannot_be_read_is_a_value_error() -> None:
    """The table then keeps the last good one."""
    key = registry_key("acme", "subscription", "sub_a")

    with pytest.raises(ValueError, match="cannot be read"):
        decode_entry(key, b"junk")

    elsewhere = registry_key("other", "subscription", "sub_a")
    with pytest.raises(ValueError, match="another subscription"):
        decode_entry(elsewhere, orjson.dumps(_minimal()))

    assert decode_entry(registry_key("acme", "key", "k"), b"junk").subscription is None
    assert decode_entry(key, orjson.dumps({**_minimal()})).subscription is not None


def _minimal() -> dict[str, object]:
    return {
        "id": "sub_a", "subscriber": "acme", "version": 1, "sealed": "",
        "created_at": "2026-01-02T03:04:05.678Z", "updated_at": "2026-01-02T03:04:05.678Z",
    }  # fmt: skip


def test_parts_of_the_url_and_of_logins_are_secrets() -> None:
    """Receivers quote them in error pages; short words of a path are left alone."""
    fields = SealedFields(
        url="https://hooks.example/in/0123456789abcdef?token=fedcba9876543210&v=1",
        headers={"authorization": "Bearer very-long-token"},
        secret=SECRET,
        previous=[],
    )

    found = set(secrets_of(fields))

    assert {
        "/in/0123456789abcdef?token=fedcba9876543210&v=1",
        "0123456789abcdef",
        "fedcba9876543210",
        "Bearer very-long-token",
        "very-long-token",
    } <= found
    assert not found & {"in", "token", "v", "1", "Bearer", ""}


def test_the_host_of_a_subscription_is_opened_once_a_version() -> None:
    """It bounds attempts per host and port; what nothing can be sent to has none."""
    view = endpoints()
    view.changed(*registry_entry("sub_a"))
    view.changed(*registry_entry("sub_off", status="disabled"))

    hosts = [view.host_of(one) for one in ("sub_a", "sub_a", "sub_off", "unknown")]

    assert hosts == ["hooks.example.com:443", "hooks.example.com:443", None, None]
