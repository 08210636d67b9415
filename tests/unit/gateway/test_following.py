"""What follows the registry."""

from collections.abc import Callable
from typing import Final

import orjson
import pytest

from gateway.following import Followers
from gateway.ingest_rules import IngestFacts
from gateway.kafka_registry import encode_change
from gateway.registry_rows import RegistryIndex, Row, decode_row
from gateway.seals import Seals
from gateway.subscriptions import Change
from schemas.registry import registry_key
from schemas.subscribers import subscriber_key
from schemas.topics import partition_of
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.deliverer import silent_log
from tests.fakes.gateway import VAULT

PARTITIONS: Final = 12
HOME: Final = partition_of(b"acme", PARTITIONS)
ELSEWHERE: Final = (HOME + 1) % PARTITIONS
KEY: Final = registry_key("acme", "subscription", "sub_1")
TIMES: Final = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}


class World:
    """Followers, and what they keep in step."""

    def __init__(self) -> None:
        self.index, self.facts = RegistryIndex(), IngestFacts()
        log, self.said = silent_log()
        self.seals = Seals(frozenset({"k2"}), silent_log()[0])
        self.follow: Callable[[int, bytes, Row], None] = Followers(
            self.index, self.facts, self.seals, partitions=PARTITIONS, log=log
        ).follow

    @property
    def state(self) -> tuple[list[str], object, int]:
        """Give what each of them knows of `acme`."""
        return list(self.index.ids_of("acme")), self.facts.quota_of("acme"), self.seals.closed


def rows() -> list[tuple[bytes, Row]]:
    """Make a subscription and a quota of `acme`."""
    _, value, _ = encode_change(Change(raw_record("sub_1"), SEALED), VAULT)
    quota = {"events_per_second": 2.0, "burst": 4}
    raw = {"subscriber": "acme", "version": 1, "quota": quota, **TIMES}
    return [
        (KEY, decode_row(KEY, value)),
        (subscriber_key("acme"), decode_row(subscriber_key("acme"), orjson.dumps(raw))),
    ]


def test_all_of_them_follow_a_record_where_its_subscriber_lives() -> None:
    """The list, the quota and the seals."""
    world = World()
    for key, row in rows():
        world.follow(HOME, key, row)

    ids, quota, closed = world.state
    assert (ids, quota is not None, closed) == (["sub_1"], True, 1)
    assert world.said.entries == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_record_on_a_foreign_partition_changes_nothing(is_there: bool) -> None:
    """Neither a forged one nor a tombstone for another tenant; it is an alarm (B342)."""
    world = World()
    for key, row in rows() if is_there else []:
        world.follow(HOME, key, row)
    before = world.state

    for key, row in rows():
        world.follow(ELSEWHERE, key, None if is_there else row)

    assert world.state == before
    assert [one["event"] for one in world.said.entries] == ["gateway.record_astray"] * 2
    assert world.said.entries[0]["log_level"] == "error"
    assert (world.said.entries[0]["partition"], world.said.entries[0]["belongs_to"]) == (
        ELSEWHERE,
        HOME,
    )


def test_a_key_of_nothing_is_passed_over() -> None:
    """The table has told of it already."""
    world = World()

    world.follow(ELSEWHERE, b"junk", None)

    assert world.state == ([], None, 0)
    assert world.said.entries == []
