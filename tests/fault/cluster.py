"""Three brokers on one machine, each of which a test may kill, freeze and restart."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from hooklane.embedded_kafka import EmbeddedKafka
from hooklane.kafka_properties import Place, free_ports
from tests.e2e.stack import eventually

NODES = 3
HEAP_MIB = 300
START_S = 180.0


def cluster_places(nodes: int, *, controllers: int) -> list[Place]:
    """Choose the ports of a cluster; its first nodes are the controllers."""
    ports = free_ports(nodes + controllers)
    brokers, quorum = tuple(ports[:nodes]), tuple(ports[nodes:])
    return [Place(number, brokers, quorum) for number in range(1, nodes + 1)]


class Cluster:
    """Replication 3 and two in-sync replicas, as `topics apply` asks for by default."""

    def __init__(self, *, controllers: int, extra: Mapping[str, str] | None = None) -> None:
        """Let the first `controllers` nodes vote for the metadata; `extra` is for every node."""
        places = cluster_places(NODES, controllers=controllers)
        self.nodes = [
            EmbeddedKafka(place=place, extra=extra, heap_mib=HEAP_MIB, start_timeout_s=START_S)
            for place in places
        ]
        self.bootstrap_servers = ",".join(f"127.0.0.1:{place.port}" for place in places)

    def start_all(self, *nodes: EmbeddedKafka) -> None:
        """Start nodes (all by default) side by side: each waits for a majority of the others."""
        wanted = nodes or self.nodes
        with ThreadPoolExecutor(len(wanted)) as pool:
            for started in [pool.submit(node.start) for node in wanted]:
                started.result()

    async def start(self, *nodes: EmbeddedKafka) -> None:
        """Start nodes without holding the event loop."""
        await asyncio.to_thread(self.start_all, *nodes)

    def close(self) -> None:
        """End and remove everything."""
        for node in self.nodes:
            node.kill()
            node.close()

    async def leader_of(self, topic: str, partition: int) -> EmbeddedKafka:
        """Find the node that leads a partition."""
        (layout,) = await self._layouts(topic)
        leaders = {one["partition"]: one["leader"] for one in layout["partitions"]}
        return self.nodes[int(leaders[partition]) - 1]

    async def in_sync(self, prefix: str, *, within_s: float) -> None:
        """Wait until every partition of the topics with this prefix is on all nodes."""

        async def is_in_sync() -> bool:
            layouts = [one for one in await self._layouts() if one["topic"].startswith(prefix)]
            return bool(layouts) and all(
                len(part["isr"]) == NODES for layout in layouts for part in layout["partitions"]
            )

        await eventually(is_in_sync, within_s=within_s, what="all replicas in sync", every_s=0.5)

    async def _layouts(self, *topics: str) -> Sequence[dict[str, Any]]:
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers.split(","))
        await client.start()
        try:
            found: Sequence[dict[str, Any]] = await client.describe_topics(list(topics) or None)
            return found
        finally:
            await client.close()
