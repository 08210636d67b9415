"""One connection to one broker, for questions that aiokafka's clients do not ask.

They hide why a connection fails behind retries, and cannot say what a user may do. A probe raises
what really happened, and reads rights as brokers tell them (KIP-430): nothing is written.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from chassis import kafka, kafka_seam
from chassis.settings import KafkaSettings

CONNECT_MS: Final = 5_000
GROUP, TRANSACTION = 0, 1
OPERATIONS: Final = {
    "Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10,
}  # fmt: skip
"""Codes of Kafka's ACL operations that are asked for; a right is the bit of its code."""

_RELEASES: Final = (
    (1, 4, "4.0 or later"),  # Fetch lost its old versions (KIP-896)
    (75, 0, "3.8 or later"),  # DescribeTopicPartitions
    (61, 0, "3.0 or later"),  # DescribeProducers
    (60, 0, "2.8 or later"),  # DescribeCluster
)
_TEXT: Final = String("utf-8")


class GroupSeen(NamedTuple):
    """A consumer group as its coordinator tells it."""

    state: str
    members: int
    rights: frozenset[str]


class Probe:
    """Ask one broker; `close` it."""

    def __init__(self, settings: KafkaSettings, connection: AIOKafkaConnection) -> None:
        self._settings = settings
        self._connection = connection

    @classmethod
    async def connect(cls, settings: KafkaSettings, server: str) -> "Probe":
        """Connect and authenticate; raises OSError, TimeoutError or a KafkaError as it was."""
        host, _, port = server.rpartition(":")
        options = kafka.connection_options(settings, "hooklane-probe")
        for name in ("bootstrap_servers", "metadata_max_age_ms"):
            options.pop(name)
        connection = AIOKafkaConnection(
            host.strip("[]"), int(port), request_timeout_ms=CONNECT_MS, **options
        )
        await connection.connect()
        return cls(settings, connection)

    @property
    def release(self) -> str | None:
        """Guess Kafka's release by the requests that the broker knows; None = old."""
        versions = kafka_seam.versions_of(self._connection)
        for api, least, release in _RELEASES:
            if api in versions and versions[api][0] >= least:
                return release
        return None

    async def topic_rights(self, names: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return what this user may do with topics; those it may not see are absent."""
        answer = await self._connection.send(_AskTopics(list(names)))
        return {name: _rights(bits) for code, name, _, _, bits in answer.topics if not code}

    async def find(self, name: str, kind: int) -> str:
        """Return the `host:port` of a coordinator; raises the KafkaError that the broker gives."""
        answer = await self._connection.send(FindCoordinatorRequest(name, kind))
        _check(answer.error_code)
        return f"{answer.host}:{answer.port}"

    async def group(self, name: str) -> GroupSeen:
        """Describe a group of which this broker is the coordinator."""
        answer = await self._connection.send(_AskGroups([name]))
        ((code, _, state, _, _, members, bits),) = answer.groups
        if for_code(code) is GroupAuthorizationFailedError:
            return GroupSeen("unknown", 0, frozenset())
        _check(code)
        return GroupSeen(state, len(members), _rights(bits))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class _TopicsAnswer(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _TopicsQuestion(RequestStruct):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _TopicsAnswer
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _AskTopics(Request[_TopicsQuestion]):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 3

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_TopicsQuestion]) -> _TopicsQuestion:
        """Ask for rights, and never let a broker make a topic of a question."""
        return request_struct_class(self._names, False, False, True)


class _GroupsAnswer(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    Array(
                        ("member_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _GroupsQuestion(RequestStruct):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = _GroupsAnswer
    SCHEMA = Schema(("groups", Array(_TEXT)), ("include_authorized_operations", Boolean))


class _AskGroups(Request[_GroupsQuestion]):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 15

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_GroupsQuestion]) -> _GroupsQuestion:
        """Ask for rights, too."""
        return request_struct_class(self._names, True)


def _check(code: int) -> None:
    kind: type[KafkaError] = for_code(code)
    if kind is not NoError:
        raise kind


def _rights(bits: int) -> frozenset[str]:
    return frozenset(name for name, code in OPERATIONS.items() if bits >> code & 1)
