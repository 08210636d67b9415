"""Comparing a cluster with a plan: every difference, what is fatal, what advice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource
from aiokafka.errors import KafkaConnectionError, NotControllerError

from chassis.kafka import KafkaUnavailable
from chassis.lifecycle import StartRefused
from chassis.topics import (
    Difference,
    TopicRefused,
    TopicsMissing,
    TopicsWrong,
    create_missing,
    inspect,
    verify,
)

ALREADY_EXISTS, POLICY_VIOLATION, NOT_AUTHORIZED, UNKNOWN_TOPIC = 36, 44, 29, 3


@dataclass(frozen=True)
class Plan:
    """A topic as it should be."""

    name: str
    partitions: int = 2
    replication_factor: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


class FakeAdmin:
    """A cluster of one broker that answers in aiokafka's shapes."""

    def __init__(self, *plans: Plan, describe_error: int = 0, create_error: int = 0) -> None:
        self.topics = {plan.name: plan for plan in plans}
        self.asked: list[list[str] | None] = []
        self.created: list[NewTopic] = []
        self._describe_error = describe_error
        self._create_error = create_error

    async def describe_topics(self, topics: list[str] | None = None) -> list[Mapping[str, object]]:
        """Return the layout of every topic."""
        self.asked.append(topics)
        return [
            {
                "topic": plan.name,
                "partitions": [{"replicas": [0] * plan.replication_factor}] * plan.partitions,
            }
            for plan in self.topics.values()
        ]

    async def describe_configs(self, config_resources: list[ConfigResource]) -> Sequence[object]:
        """Return the settings of the topics asked for."""
        return [
            SimpleNamespace(
                resources=[
                    (
                        self._describe_error, None, 2, resource.name,
                        [(k, v, False, 1, False, []) for k, v in self._config(resource.name)],
                    )
                    for resource in config_resources
                ]
            )
        ]  # fmt: skip

    async def create_topics(self, new_topics: list[NewTopic]) -> object:
        """Create all, or refuse all with the given error."""
        self.created += new_topics
        return SimpleNamespace(
            topic_errors=[(t.name, self._create_error, None) for t in new_topics]
        )

    def _config(self, name: str) -> list[tuple[str, str]]:
        return list(self.topics[name].config.items())


EVENTS = Plan("p.events", config={"cleanup.policy": "delete", "retention.ms": "1000"})
LANES = Plan("p.lanes", config={"cleanup.policy": "compact", "segment.bytes": "16"})


async def test_a_cluster_as_planned_has_no_difference() -> None:
    """And other topics on it are nobody's business."""
    admin = FakeAdmin(EVENTS, LANES, Plan("other", partitions=99))

    assert await inspect(admin, [EVENTS, LANES]) == []
    await verify(admin, [EVENTS, LANES])


async def test_topics_are_never_asked_for_by_name() -> None:
    """A metadata request that names a missing topic creates it on a lenient broker."""
    admin = FakeAdmin()

    await inspect(admin, [EVENTS])
    await create_missing(admin, [EVENTS])

    assert admin.asked == [None, None]


async def test_every_difference_is_listed_in_the_order_of_the_plan() -> None:
    """Missing, partitions, replication and each setting."""
    found = Plan("p.lanes", partitions=3, config={"cleanup.policy": "delete"})
    wanted = Plan("p.lanes", replication_factor=3, config={"cleanup.policy": "compact"})

    differences = await inspect(FakeAdmin(found), [EVENTS, wanted])

    assert differences == [
        Difference("p.events", "missing", "none", "a topic"),
        Difference("p.lanes", "partitions", "3", "2"),
        Difference("p.lanes", "replication", "1", "3"),
        Difference("p.lanes", "config", "delete", "compact", "cleanup.policy"),
    ]
    assert [str(difference) for difference in differences] == [
        "p.events is missing",
        "p.lanes has partitions 3 instead of 2",
        "p.lanes has replication 1 instead of 3",
        "p.lanes has cleanup.policy delete instead of compact",
    ]


async def test_more_replicas_than_planned_are_fine() -> None:
    """An operator may be more careful than the plan."""
    found = Plan("p.events", replication_factor=3)

    assert await inspect(FakeAdmin(found), [Plan("p.events")]) == []


async def test_a_setting_the_cluster_hides_is_not_compared() -> None:
    """Managed clusters do not report every setting."""
    wanted = Plan("p.events", config={"unclean.leader.election.enable": "false"})

    assert await inspect(FakeAdmin(Plan("p.events")), [wanted]) == []


@pytest.mark.parametrize(
    ("setting", "found", "wanted", "is_fatal"),
    [
        ("retention.ms", "999", "1000", True),
        ("retention.ms", "2000", "1000", False),
        ("retention.ms", "-1", "1000", False),
        ("max.message.bytes", "1000", "1048576", True),
        ("min.insync.replicas", "1", "2", True),
        ("min.insync.replicas", "3", "2", False),
        ("cleanup.policy", "delete", "compact", True),
        ("cleanup.policy", "compact,delete", "compact", True),
        ("message.timestamp.type", "CreateTime", "LogAppendTime", True),
        ("segment.bytes", "1073741824", "16777216", False),
    ],
)
async def test_only_what_loses_or_misplaces_records_is_fatal(
    setting: str, found: str, wanted: str, is_fatal: bool
) -> None:
    """More than planned and mere tuning are shown, not refused."""
    admin = FakeAdmin(Plan("p.x", config={setting: found}))
    plans = [Plan("p.x", config={setting: wanted})]

    [difference] = await inspect(admin, plans)

    assert difference.is_fatal is is_fatal
    if not is_fatal:
        await verify(admin, plans)
        return
    with pytest.raises(TopicsWrong, match="alter the topics by hand"):
        await verify(admin, plans)


async def test_missing_topics_come_with_the_command_that_makes_them() -> None:
    """One line, however many are missing; no reason to refuse, somebody may be creating them."""
    plans = [Plan(f"p.{number}") for number in range(5)]

    with pytest.raises(TopicsMissing) as caught:
        await verify(FakeAdmin(), plans)

    assert not isinstance(caught.value, StartRefused)
    assert str(caught.value) == (
        "p.0 is missing, p.1 is missing, p.2 is missing and 2 more; run `hooklane topics apply`, "
        "or permit this user to describe them"
    )


async def test_a_wrong_topic_is_refused_although_others_are_missing() -> None:
    """Waiting does not mend it, so it is named alone."""
    plans = [Plan("p.absent"), Plan("p.x")]

    with pytest.raises(TopicsWrong, match=r"^p\.x has partitions 12 instead of 2;"):
        await verify(FakeAdmin(Plan("p.x", partitions=12)), plans)


async def test_a_topic_that_only_some_brokers_know_is_asked_for_again() -> None:
    """While it is being created, the next broker may not have heard of it."""
    with pytest.raises(KafkaUnavailable, match=r"not every broker knows topic p\.events"):
        await verify(FakeAdmin(EVENTS, describe_error=UNKNOWN_TOPIC), [EVENTS])


async def test_another_partition_count_points_at_the_settings() -> None:
    """Most likely the service has another count than `topics apply` had."""
    with pytest.raises(TopicsWrong, match="HOOKLANE_TOPICS__PARTITIONS"):
        await verify(FakeAdmin(Plan("p.x", partitions=12)), [Plan("p.x")])


async def test_missing_topics_are_created_as_planned() -> None:
    """Only those, with all they need."""
    admin = FakeAdmin(EVENTS)

    created = await create_missing(admin, [EVENTS, LANES])

    assert created == ["p.lanes"]
    [topic] = admin.created
    assert (topic.name, topic.num_partitions, topic.replication_factor) == ("p.lanes", 2, 1)
    assert topic.topic_configs == dict(LANES.config)


async def test_nothing_missing_means_no_request() -> None:
    """`topics apply` twice is the same as once."""
    admin = FakeAdmin(EVENTS)

    assert await create_missing(admin, [EVENTS]) == []
    assert admin.created == []


async def test_losing_the_race_to_create_is_no_fault() -> None:
    """Two installations start at once; one says that it made the topic, both find it afterwards."""
    admin = FakeAdmin(create_error=ALREADY_EXISTS)

    assert await create_missing(admin, [EVENTS]) == []
    assert await create_missing(FakeAdmin(), [EVENTS]) == ["p.events"]


async def test_a_topic_the_cluster_refuses_is_named() -> None:
    """Errors are inside the answer, aiokafka does not raise them."""
    with pytest.raises(TopicRefused, match=r"p\.events was not created: PolicyViolation"):
        await create_missing(FakeAdmin(create_error=POLICY_VIOLATION), [EVENTS])


@pytest.mark.parametrize(
    "error",
    [
        KafkaConnectionError("lost"),
        NotControllerError(),
        OSError("reset"),
        TimeoutError(),
        AttributeError("'NoneType' object has no attribute 'nodeId'"),
    ],
)
async def test_brokers_that_do_not_answer_are_no_refusal(error: Exception) -> None:
    """The caller waits and asks again; only wrong topics end the process."""

    class Silent(FakeAdmin):
        async def create_topics(self, new_topics: list[NewTopic]) -> object:
            raise error

    with pytest.raises(KafkaUnavailable):
        await create_missing(Silent(), [EVENTS])


async def test_settings_that_may_not_be_read_are_refused() -> None:
    """A missing right is found at start and says so."""
    with pytest.raises(TopicRefused, match=r"settings of topic p\.events: TopicAuthorization"):
        await verify(FakeAdmin(EVENTS, describe_error=NOT_AUTHORIZED), [EVENTS])
