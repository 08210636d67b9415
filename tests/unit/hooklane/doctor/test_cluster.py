"""Tests of what is said of topics, replicas and clocks."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest
from aiokafka.admin.config_resource import ConfigResource

from hooklane.doctor.cluster import judge_clock, judge_topics
from schemas.topics import TopicPlan

PLAN = TopicPlan("h.events", 2, 3, {"cleanup.policy": "delete"})
NOW_MS = 1_700_000_000_000


class Cluster:
    """Describes one topic whose partitions have these leaders and in-sync replicas."""

    def __init__(self, *partitions: tuple[int, list[int]], error: int = 0) -> None:
        self._partitions = partitions
        self._error = error

    async def describe_topics(self, topics: list[str] | None = None) -> list[Mapping[str, object]]:
        """Return the layout."""
        partitions = [
            {"partition": number, "leader": leader, "replicas": [1, 2, 3], "isr": isr}
            for number, (leader, isr) in enumerate(self._partitions)
        ]
        foreign = {"topic": "other", "partitions": [{"partition": 0, "leader": -1}]}
        return [{"topic": "h.events", "partitions": partitions}, foreign]

    async def describe_configs(self, config_resources: list[ConfigResource]) -> Sequence[object]:
        """Return the settings as planned, or an error."""
        entries = [("cleanup.policy", "delete")]
        return [SimpleNamespace(resources=[(self._error, None, 2, "h.events", entries)])]


@pytest.mark.parametrize(
    ("partitions", "statuses", "seen"),
    [
        ([(1, [1, 2, 3]), (2, [1, 2, 3])], ["ok"], "1 topics with 2 partitions each"),
        ([(1, [1, 2, 3]), (2, [2])], ["ok", "warn"], "partitions 1 lack in-sync replicas"),
        ([(-1, []), (-1, [])], ["fail"], "partitions 0, 1 have no leader"),
    ],
)
async def test_partitions_without_leader_or_replicas_are_named(
    partitions: list[tuple[int, list[int]]], statuses: list[str], seen: str
) -> None:
    """Only those of our topics."""
    found = await judge_topics(Cluster(*partitions), [PLAN])

    assert [one.status for one in found] == statuses
    assert found[-1].seen == seen


async def test_a_user_that_may_not_describe_is_told_so() -> None:
    """Instead of a list of wrong settings."""
    (one,) = await judge_topics(Cluster((1, [1, 2, 3]), (1, [1, 2, 3]), error=29), [PLAN])

    assert one.status == "fail"
    assert "DescribeConfigs" in one.advice


@pytest.mark.parametrize(
    ("newest_ms", "status"),
    [(None, "ok"), (NOW_MS - 86_400_000, "ok"), (NOW_MS + 1_900, "ok"), (NOW_MS + 2_100, "fail")],
)
def test_a_clock_behind_the_brokers_is_seen(newest_ms: int | None, status: str) -> None:
    """By a record from our future; two seconds are no matter."""
    assert judge_clock(newest_ms, NOW_MS).status == status
