"""Tests of what is said of rights and groups."""

from collections.abc import Collection, Mapping

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed

from chassis.kafka_probe import OPERATIONS, TRANSACTION, GroupSeen, Probe
from chassis.settings import KafkaSettings
from hooklane.doctor.findings import Finding
from hooklane.doctor.rights import NEEDS, judge_rights
from schemas.topics import TIERS

ALL = frozenset(OPERATIONS)
SETTINGS = KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1"})


class FakeProbe:
    """A broker that grants all, but what a test takes away."""

    def __init__(
        self, taken: Mapping[str, frozenset[str]] | None = None, *, refuses: Collection[str] = ()
    ) -> None:
        self._taken = dict(taken or {})
        self._refuses = refuses

    async def topic_rights(self, names: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Grant the rest."""
        return {name: ALL - self._taken.get(name, frozenset()) for name in names}

    async def find(self, name: str, kind: int) -> str:
        """Refuse some ids, and know no coordinator of a group."""
        if name in self._refuses:
            is_id = kind == TRANSACTION
            raise TransactionalIdAuthorizationFailed if is_id else GroupAuthorizationFailedError
        return "127.0.0.1:1"


async def _judged(probe: FakeProbe, service: str) -> dict[str, Finding]:
    as_probe: Probe = probe  # type: ignore[assignment]  # two of its methods
    found = await judge_rights(SETTINGS, as_probe, "h", [service])
    return {one.check: one for one in found}


def test_every_service_has_its_line() -> None:
    """And only the gateway is in no group."""
    assert {name: needs.has_group for name, needs in NEEDS.items()} == {
        "gateway": False,
        "fanout": True,
        "deliverer": True,
    }
    assert all(tier.suffix in NEEDS["deliverer"].reads for tier in TIERS)


@pytest.mark.parametrize("service", NEEDS)
async def test_who_may_do_all_lacks_nothing(service: str) -> None:
    """A coordinator that does not answer now is no lack of rights."""
    found = await _judged(FakeProbe(), service)

    assert found[f"rights {service}"].status == "ok"
    assert {one.status for one in found.values()} <= {"ok", "skip"}


async def test_each_lack_is_named_by_topic_and_operation() -> None:
    """Only of what the service does: it never writes `events`."""
    probe = FakeProbe(
        {
            "h.events": frozenset({"Read", "Write"}),
            "h.deliveries": frozenset({"Read", "Write", "DescribeConfigs"}),
            "h.lanes": ALL,
        },
        refuses=["h-fanout-0"],
    )

    one = (await _judged(probe, "fanout"))["rights fanout"]

    assert one.status == "fail"
    assert one.seen == (
        "lacks DescribeConfigs+Write on topic h.deliveries; Read on topic h.events; "
        "Write+Describe on transactional id h-fanout-*"
    )


async def test_a_group_that_may_not_be_seen_is_a_failure() -> None:
    """Without it no partition is ever assigned."""
    found = await _judged(FakeProbe(refuses=["h-deliverer"]), "deliverer")

    assert found["group h-deliverer"].status == "fail"
    assert "Read and Describe" in found["group h-deliverer"].advice


class Answering:
    """A connection that answers with one description of a group."""

    def __init__(self, *group: object) -> None:
        self._group = group

    async def send(self, _request: object) -> object:
        """Answer."""
        return type("Answer", (), {"groups": [self._group]})


@pytest.mark.parametrize(
    ("group", "seen"),
    [
        (
            (0, "g", "Stable", "", "", [1, 2], 1 << 3 | 1 << 8),
            GroupSeen("Stable", 2, frozenset({"Read", "Describe"})),
        ),
        ((0, "g", "Dead", "", "", [], 1 << 8), GroupSeen("Dead", 0, frozenset({"Describe"}))),
        ((30, "g", "", "", "", [], 0), GroupSeen("unknown", 0, frozenset())),
    ],
)
async def test_a_group_is_read_with_its_rights(group: tuple[object, ...], seen: GroupSeen) -> None:
    """One that may not be described says nothing of itself."""
    assert await Probe(SETTINGS, Answering(*group)).group("g") == seen
