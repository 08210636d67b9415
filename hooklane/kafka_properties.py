"""The settings of an embedded Kafka node, alone or in a cluster on one machine. Pure but for ports.

A cluster has a static quorum: its first nodes are controllers besides being brokers, the others
are brokers only. Every internal topic is on three nodes then, and needs two of them.
"""

import contextlib
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
REPLICAS_MAX = 3
PORTS = range(20_000, 32_000)
PORT_DRAWS_MAX = 100
"""How often a port that is drawn may be taken."""


@dataclass(frozen=True)
class Place:
    """Where one node is in a cluster whose ports are all known before any of them starts."""

    node_id: int
    ports: tuple[int, ...]
    controller_ports: tuple[int, ...]

    @property
    def is_controller(self) -> bool:
        """Whether it votes for the metadata too."""
        return self.node_id <= len(self.controller_ports)

    @property
    def port(self) -> int:
        """Where its clients connect."""
        return self.ports[self.node_id - 1]

    def properties(self) -> dict[str, str]:
        """Return what differs from a node alone."""
        replicas = min(REPLICAS_MAX, len(self.ports))
        voters = [f"{n}@{HOST}:{port}" for n, port in enumerate(self.controller_ports, start=1)]
        listeners = [f"PLAINTEXT://{HOST}:{self.port}"]
        if self.is_controller:
            listeners.append(f"CONTROLLER://{HOST}:{self.controller_ports[self.node_id - 1]}")
        return {
            "process.roles": "broker,controller" if self.is_controller else "broker",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(voters),
            "listeners": ",".join(listeners),
            "offsets.topic.replication.factor": str(replicas),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(max(1, replicas - 1)),
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(max(1, replicas - 1)),
        }


def server_properties(
    *, data: Path, port: int, controller_port: int, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the node's settings: one replica of everything, quick to start, small."""
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.index.size.max.bytes": str(1024 * 1024),
        **(extra or {}),
    }
    if "controller.quorum.voters" in properties:
        del properties["controller.quorum.bootstrap.servers"]
    return properties


def free_ports(count: int, *, below: Callable[[int], int] = secrets.randbelow) -> list[int]:
    """Return loopback ports that were free a moment ago, all different.

    They lie below those that kernels give to clients (from 32,768 on Linux, 49,152 elsewhere): one
    of those may be some client's before the server listens on it. Raises OSError when hardly any
    is free.
    """
    with contextlib.ExitStack() as held:
        chosen: list[int] = []
        for _ in range(count + PORT_DRAWS_MAX):
            port = PORTS.start + below(len(PORTS))
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind((HOST, port))
                chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise OSError(
        f"hardly any port from {PORTS.start} to {PORTS.stop} is free; end what holds them"
    )
