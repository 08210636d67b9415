"""Compare the topics of a cluster with a plan, create what is missing, refuse what is wrong.

The plan is data of the caller (`schemas.topics.plan`). Nothing is ever changed or deleted here: a
topic with other partitions puts every key elsewhere, and who set another retention had a reason.
Only settings that the plan names are compared; longer retention, larger records and more replicas
than planned are differences to show, never a reason not to run. Requests are aiokafka's own value
objects; the client itself comes from `chassis.kafka`.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from chassis.kafka import KafkaUnavailable
from chassis.refusal import StartRefused

SHOWN_MAX = 3
"""Differences that the one line of a refusal names before it says `and N more`."""

AT_LEAST = frozenset({"retention.ms", "max.message.bytes", "min.insync.replicas"})
"""Settings where more than planned does no harm; retention -1 is for ever."""

EXACT = frozenset({"cleanup.policy", "message.timestamp.type", "unclean.leader.election.enable"})
"""Settings where another value loses or delays records. All others only tune."""

UNLIMITED = -1

T = TypeVar("T")
What = Literal["missing", "partitions", "replication", "config"]


class TopicsWrong(StartRefused):
    """The topics are not those this service may run on."""


class TopicsMissing(Exception):
    """Some topics do not exist yet, or this user may not see them; waiting may help."""


class TopicRefused(StartRefused):
    """The cluster did not create a topic or answer for it; the text says which and why."""


class TopicPlanLike(Protocol):
    """One topic as it should be."""

    @property
    def name(self) -> str:
        """The full name."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions."""
        ...

    @property
    def replication_factor(self) -> int:
        """How many replicas of each."""
        ...

    @property
    def config(self) -> Mapping[str, str]:
        """The topic settings that matter, as Kafka spells them."""
        ...


class TopicAdmin(Protocol):
    """The part of aiokafka's admin client that is used here; the answers are its untyped ones."""

    async def describe_topics(self, topics: list[str] | None = None) -> list[Mapping[str, object]]:
        """Return the metadata of topics."""
        ...

    async def describe_configs(self, config_resources: list[ConfigResource]) -> Sequence[object]:
        """Return the settings of topics."""
        ...

    async def create_topics(self, new_topics: list[NewTopic]) -> object:
        """Create topics; errors are inside the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a topic is not as planned."""

    topic: str
    what: What
    found: str
    wanted: str
    setting: str | None = None
    """The name of the topic setting when `what` is config."""

    @property
    def is_fatal(self) -> bool:
        """Whether a service must not run with it."""
        if self.what != "config" or self.setting in EXACT:
            return True
        return self.setting in AT_LEAST and not _is_enough(self.found, self.wanted)

    def __str__(self) -> str:
        if self.what == "missing":
            return f"{self.topic} is missing"
        return f"{self.topic} has {self.setting or self.what} {self.found} instead of {self.wanted}"


async def inspect(admin: TopicAdmin, plans: Iterable[TopicPlanLike]) -> list[Difference]:
    """List every difference between the plan and the cluster, in the order of the plan.

    Raises KafkaUnavailable when the brokers do not answer; asking again may help.
    """
    wanted = list(plans)
    # Asks for all topics: naming one in a metadata request makes a lenient broker create it.
    layouts = {str(t["topic"]): t for t in await _ask(admin.describe_topics(None))}
    present = [plan.name for plan in wanted if plan.name in layouts]
    configs = await read_settings(admin, present)
    differences: list[Difference] = []
    for plan in wanted:
        layout = layouts.get(plan.name)
        if layout is None:
            differences.append(Difference(plan.name, "missing", "none", "a topic"))
            continue
        differences += _compare_layout(plan, layout)
        differences += _compare_config(plan, configs[plan.name])
    return differences


async def create_missing(admin: TopicAdmin, plans: Iterable[TopicPlanLike]) -> list[str]:
    """Create the planned topics that do not exist and return the names of those that it made.

    One that is there after all is fine, it is compared afterwards: another process made it
    meanwhile, or the broker that was asked has not heard of it yet.
    """
    layouts = {str(t["topic"]) for t in await _ask(admin.describe_topics(None))}
    missing = [plan for plan in plans if plan.name not in layouts]
    if not missing:
        return []
    wanted = [
        NewTopic(p.name, p.partitions, p.replication_factor, topic_configs=dict(p.config))
        for p in missing
    ]
    answer = await _ask(admin.create_topics(wanted))
    there_already: set[str] = set()
    for name, code, *message in getattr(answer, "topic_errors", ()):
        if code and for_code(code) is TopicAlreadyExistsError:
            there_already.add(name)
        elif code:
            reason = next(filter(None, message), None) or for_code(code).__name__
            raise TopicRefused(f"topic {name} was not created: {reason}")
    return [plan.name for plan in missing if plan.name not in there_already]


async def verify(admin: TopicAdmin, plans: Iterable[TopicPlanLike]) -> None:
    """Return if the cluster is as planned; the error has one line of advice.

    Raises TopicsMissing when somebody only has to create topics, TopicsWrong when some exist that a
    service must not run on.
    """
    differences = [difference for difference in await inspect(admin, plans) if difference.is_fatal]
    if not differences:
        return
    wrong = [difference for difference in differences if difference.what != "missing"]
    if wrong:
        raise TopicsWrong(f"{_summary(wrong)}; {_advice(wrong)}")
    raise TopicsMissing(
        f"{_summary(differences)}; run `hooklane topics apply`, "
        "or permit this user to describe them"
    )


def _summary(differences: Sequence[Difference]) -> str:
    shown = ", ".join(map(str, differences[:SHOWN_MAX]))
    more = len(differences) - SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _advice(differences: Sequence[Difference]) -> str:
    if any(difference.what == "partitions" for difference in differences):
        return (
            "check HOOKLANE_TOPICS__PREFIX and HOOKLANE_TOPICS__PARTITIONS (`hooklane topics plan`)"
        )
    return "run `hooklane topics plan` and alter the topics by hand"


def _compare_layout(plan: TopicPlanLike, layout: Mapping[str, object]) -> list[Difference]:
    partitions = layout["partitions"]
    if not isinstance(partitions, list):
        raise TopicRefused(f"topic {plan.name}: no partitions in the answer of the cluster")
    differences = []
    if len(partitions) != plan.partitions:
        found = Difference(plan.name, "partitions", str(len(partitions)), str(plan.partitions))
        differences.append(found)
    replicas = min((len(partition["replicas"]) for partition in partitions), default=0)
    if replicas < plan.replication_factor:
        wanted = str(plan.replication_factor)
        differences.append(Difference(plan.name, "replication", str(replicas), wanted))
    return differences


def _compare_config(plan: TopicPlanLike, found: Mapping[str, str | None]) -> list[Difference]:
    return [
        Difference(plan.name, "config", str(found.get(setting)), value, setting)
        for setting, value in plan.config.items()
        # A managed cluster may not report a setting: nothing to compare then.
        if found.get(setting) not in {None, value}
    ]


def _is_enough(found: str, wanted: str) -> bool:
    return int(found) == UNLIMITED or int(found) >= int(wanted)


async def _ask(request: Awaitable[T]) -> T:
    """Translate what the client raises when the brokers are away or change their controller."""
    try:
        return await request
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaUnavailable(f"no answer about topics: {error!r}") from error
    except AttributeError as error:  # aiokafka reads `.nodeId` of a controller that is None
        raise KafkaUnavailable("the cluster has no controller now") from error


async def read_settings(
    admin: TopicAdmin, names: Sequence[str]
) -> dict[str, dict[str, str | None]]:
    """Return the settings of existing topics by name, as Kafka spells them.

    Raises KafkaUnavailable when asking again may help, else TopicRefused.
    """
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str | None]] = {}
    for answer in await _ask(admin.describe_configs(resources)):
        for code, message, _kind, name, entries in getattr(answer, "resources", ()):
            if for_code(code) is UnknownTopicOrPartitionError:  # it is being made or deleted
                raise KafkaUnavailable(f"not every broker knows topic {name}")
            if code:
                reason = message or for_code(code).__name__
                raise TopicRefused(f"cannot read the settings of topic {name}: {reason}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
