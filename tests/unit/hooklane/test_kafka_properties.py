"""What a node is told, before a process starts."""

import itertools
import socket
from pathlib import Path

import pytest

from hooklane import kafka_properties


def test_one_node_can_hold_every_internal_topic() -> None:
    """With one broker every replication factor and minimum of in-sync replicas is 1."""
    properties = kafka_properties.server_properties(data=Path("/d"), port=1, controller_port=2)

    factors = {v for k, v in properties.items() if k.endswith(("replication.factor", "min.isr"))}

    assert factors == {"1"}
    assert properties["auto.create.topics.enable"] == "false"
    assert "0.0.0.0" not in str(properties)


def test_given_properties_win() -> None:
    """A fault test may tune the broker."""
    properties = kafka_properties.server_properties(
        data=Path("/d"), port=1, controller_port=2, extra={"num.io.threads": "1"}
    )

    assert properties["num.io.threads"] == "1"


def test_free_ports_differ() -> None:
    """Ports are chosen while all of them are held."""
    assert len(set(kafka_properties.free_ports(20))) == 20


def test_free_ports_are_none_that_a_kernel_gives_to_clients() -> None:
    """A client's port may be taken before the server listens on it."""
    highest = kafka_properties.free_ports(1, below=lambda count: count - 1)

    assert all(20_000 <= port < 32_768 for port in highest)


def test_a_port_in_use_is_passed_over() -> None:
    """The next one drawn takes its place; who finds none is told so."""
    with socket.socket() as held:
        (taken,) = kafka_properties.free_ports(1)
        held.bind(("127.0.0.1", taken))
        held.listen()
        offset = taken - kafka_properties.PORTS.start
        draws = itertools.count(offset)

        (other,) = kafka_properties.free_ports(1, below=lambda count: next(draws) % count)

        assert other != taken
        with pytest.raises(OSError, match="hardly any port"):
            kafka_properties.free_ports(1, below=lambda _: offset)


def test_a_cluster_agrees_on_its_voters() -> None:
    """Three nodes, one of them a controller: same voters for all, replicas on all of them."""
    places = [kafka_properties.Place(n, (21, 22, 23), (31,)) for n in (1, 2, 3)]

    told = [
        kafka_properties.server_properties(
            data=Path("/d"), port=place.port, controller_port=1, extra=place.properties()
        )
        for place in places
    ]

    assert [one["node.id"] for one in told] == ["1", "2", "3"]
    assert [one["process.roles"] for one in told] == ["broker,controller", "broker", "broker"]
    assert {one["controller.quorum.voters"] for one in told} == {"1@127.0.0.1:31"}
    assert {one["transaction.state.log.min.isr"] for one in told} == {"2"}
    assert not any("controller.quorum.bootstrap.servers" in one for one in told)
    assert "CONTROLLER" not in told[1]["listeners"]
