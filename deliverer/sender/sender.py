"""Send requests over HTTP/1.1: the real side of the port.

What becomes of one request is told in `sending`; here is what all requests of a process share.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from chassis.clock import Clock, SystemClock
from chassis.egress import EgressPolicy
from chassis.egress_proxy import ProxyAddress
from deliverer.resolver import AiodnsLookup, Lookup, Resolver
from deliverer.sender.connector import Connector, tls_context
from deliverer.sender.dial import Dial, dial_tcp
from deliverer.sender.pool import IDLE_MAX, Pool
from deliverer.sender.port import Cut, Ended, MaySend, PreparedRequest, always
from deliverer.sender.route import DirectRoute, ProxyRoute, Route
from deliverer.sender.sending import Means, Sending


def _ignore(is_reused: bool) -> None:
    """Count nothing."""


class HttpSender:
    """Sends prepared requests over HTTP/1.1 under one egress policy. Made inside a running loop.

    With a proxy every connection is a tunnel through it, that to an http target too.
    `on_connection` is told for each exchange whether its connection was reused. Nothing bounds the
    number of attempts in flight here: callers hold slots.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        ca_file: Path | None = None,
        on_connection: Callable[[bool], None] = _ignore,
        idle_max: int = IDLE_MAX,
        lookup: Lookup | None = None,
        dial: Dial = dial_tcp,
        proxy: ProxyAddress | None = None,
        clock: Clock | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._dns = AiodnsLookup()
        self._resolver = Resolver(lookup or self._dns, clock=loop.time)
        route: Route = DirectRoute(policy, resolver=self._resolver, dial=dial)
        if proxy is not None:
            route = ProxyRoute(policy, proxy, resolver=self._resolver, dial=dial)
        pool = Pool(loop, idle_max=idle_max)
        self._means = Means(
            loop=loop,
            clock=clock or SystemClock(),
            pool=pool,
            connector=Connector(
                policy, tls=tls_context(ca_file), route=route, on_closed=pool.forget
            ),
            on_connection=on_connection,
            dialling=set(),
        )

    def begin(self, request: PreparedRequest, ended: Ended, *, may_send: MaySend = always) -> Cut:
        """Send one request; `ended` is called once, later, unless what is returned cuts it off."""
        sending = Sending(self._means, request, ended, may_send=may_send)
        sending.start()
        return sending.cut

    @property
    def idle_connections(self) -> int:
        """Return how many connections wait for their next request."""
        return len(self._means.pool)

    async def close(self) -> None:
        """Close idle connections and look-ups; running attempts are the callers' to cut off."""
        dialling = self._means.dialling
        for task in dialling:
            task.cancel()
        if dialling:
            await asyncio.wait(set(dialling))
        self._means.pool.close()
        await self._resolver.close()
        await self._dns.close()
