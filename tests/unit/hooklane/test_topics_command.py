"""What the topics commands decide without a broker."""

import json

import pytest

from chassis.topics import Difference
from hooklane import topics_command
from hooklane.exits import INVALID, NETWORK, CommandFailed
from hooklane.output import render

NOWHERE = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def test_missing_settings_are_named() -> None:
    """Without an address the one line names the variable; exit 4."""
    with pytest.raises(CommandFailed, match="HOOKLANE_KAFKA__BOOTSTRAP_SERVERS") as caught:
        topics_command.run_plan({}, "table")

    assert caught.value.code == INVALID


def test_no_broker_is_a_network_failure() -> None:
    """A closed port is exit 5 and one line with the address."""
    with pytest.raises(CommandFailed, match=r"no Kafka at 127\.0\.0\.1:1") as caught:
        topics_command.run_apply(NOWHERE, "table", is_waiting=False)

    assert caught.value.code == NETWORK


async def test_waiting_is_bounded_and_says_once_why() -> None:
    """With --wait the reason is said once, and the failure comes after the bound."""
    settings = topics_command.read_settings(NOWHERE)
    said: list[str] = []

    with pytest.raises(CommandFailed):
        await topics_command.apply_waiting(settings, said.append, timeout_s=0.5)

    assert said == ["waiting: no Kafka at 127.0.0.1:1"]


def test_plans_follow_the_settings() -> None:
    """Prefix, partitions and replicas come from the environment."""
    variables = NOWHERE | {
        "HOOKLANE_TOPICS__PREFIX": "p",
        "HOOKLANE_TOPICS__PARTITIONS": "3",
        "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
    }

    first = topics_command.read_settings(variables).plans()[0]

    assert (first.name, first.partitions, first.replication_factor) == ("p.events", 3, 1)


def test_differences_are_rows() -> None:
    """Each difference has all columns in both forms."""
    rows = topics_command.rows_of([Difference("t", "config", "1", "2", "retention.ms")])

    assert render(rows, topics_command.COLUMNS, "table").splitlines()[1].split() == [
        "t", "config", "retention.ms", "1", "2",
    ]  # fmt: skip
    assert set(json.loads(render(rows, (), "json"))[0]) == set(topics_command.COLUMNS)
