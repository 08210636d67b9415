"""Look names up without blocking the loop, within bounds.

Bounds: time and number of look-ups, size and age of the cache. Look-ups of one name are shared.
The answer is only numbers; whether they may be reached is decided by the caller at each connect,
so the age of a cached answer is no matter of safety.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import aiodns
import msgspec
import pycares

from chassis.egress import IPAddress, parse_address

LOOKUP_TIMEOUT_S: Final = 3.0
LOOKUPS_MAX: Final = 4_096
POSITIVE_S_MAX: Final = 10.0
NEGATIVE_S: Final = 2.0
CACHED_NAMES_MAX: Final = 4_096
ADDRESSES_MAX: Final = 256


class Addresses(msgspec.Struct, frozen=True):
    """The addresses of a name, at least one, in the order to try them; may be cached `ttl_s`."""

    addresses: tuple[IPAddress, ...]
    ttl_s: float = POSITIVE_S_MAX


class NameFailed(msgspec.Struct, frozen=True):
    """A name that has no usable answer. `is_local` means that we could not even ask."""

    detail: str
    is_local: bool = False


Answer = Addresses | NameFailed


class Lookup(Protocol):
    """Asks the name servers once; answers within a bound of its own or is cancelled."""

    def __call__(self, host: str) -> Awaitable[Answer]:
        """Return the answer for a name."""
        ...


class Resolver:
    """Shares, bounds and caches look-ups; `clock` is monotonic seconds."""

    def __init__(
        self,
        lookup: Lookup,
        *,
        clock: Callable[[], float],
        lookups_max: int = LOOKUPS_MAX,
        timeout_s: float = LOOKUP_TIMEOUT_S,
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._lookups_max = lookups_max
        self._timeout_s = timeout_s
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._cache: OrderedDict[str, tuple[float, Answer]] = OrderedDict()

    async def resolve(self, host: str) -> Answer:
        """Return the addresses of a name, from the cache or the name servers.

        Cancelling a caller does not end a look-up that others may wait for; its bound does.
        """
        cached = self._cache.get(host)
        if cached is not None and cached[0] > self._clock():
            return cached[1]
        task = self._running.get(host)
        if task is None:
            if len(self._running) >= self._lookups_max:
                return NameFailed("too many look-ups at once", is_local=True)
            task = asyncio.create_task(self._ask(host), name="dns-lookup")
            self._running[host] = task
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End the look-ups that still run."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _ask(self, host: str) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._lookup(host)
        except TimeoutError:
            answer = NameFailed("the look-up timed out")
        finally:
            del self._running[host]
        self._keep(host, answer)
        return answer

    def _keep(self, host: str, answer: Answer) -> None:
        if isinstance(answer, NameFailed):
            if answer.is_local:
                return
            age_s = NEGATIVE_S
        else:
            age_s = max(0.0, min(answer.ttl_s, POSITIVE_S_MAX))
        self._cache.pop(host, None)
        self._cache[host] = (self._clock() + age_s, answer)
        if len(self._cache) > CACHED_NAMES_MAX:
            self._cache.popitem(last=False)


class AiodnsLookup:
    """Asks by c-ares: hosts file, then the name servers of the system; no search list.

    Without the search list a name means the same on every host, and a name of the cluster cannot
    be reached by a short form that looks public. `nameservers` (`address:port`) replace those of
    the system.
    """

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = list(nameservers)
        self._resolver: aiodns.DNSResolver | None = None

    async def __call__(self, host: str) -> Answer:
        """Return the answer for a name; an absolute name, so no suffix is ever tried."""
        try:
            if self._resolver is None:
                self._resolver = aiodns.DNSResolver(
                    self._nameservers or None,
                    timeout=1.0,
                    tries=2,
                    flags=pycares.ARES_FLAG_NOSEARCH,
                )
            result = await self._resolver.getaddrinfo(
                host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM
            )
        except aiodns.error.DNSError as error:
            return failure_of(error)
        nodes = result.nodes[:ADDRESSES_MAX]
        found = [parse_address(_text(node.addr[0])) for node in nodes]
        addresses = tuple(dict.fromkeys(found))
        if not addresses or None in addresses or len(result.nodes) > ADDRESSES_MAX:
            return NameFailed("the answer is unusable")
        ttl_s = min(node.ttl for node in nodes)
        return Addresses(tuple(ip for ip in addresses if ip is not None), float(ttl_s))

    async def close(self) -> None:
        """Give back the channel of c-ares."""
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()


def _text(address: str | bytes) -> str:
    return address.decode("ascii", "replace") if isinstance(address, bytes) else address


def failure_of(error: aiodns.error.DNSError) -> NameFailed:
    """Describe an error of c-ares without naming the name."""
    code = error.args[0] if error.args else None
    if code in {aiodns.error.ARES_ENOMEM, aiodns.error.ARES_EFILE}:
        return NameFailed("no descriptor or memory for a look-up", is_local=True)
    if code == aiodns.error.ARES_ECONNREFUSED:
        # What c-ares says when it cannot even open or use a socket to a server of ours.
        return NameFailed("no name server can be reached", is_local=True)
    if code in {aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA}:
        return NameFailed("the name has no address")
    if code == aiodns.error.ARES_ETIMEOUT:
        return NameFailed("the look-up timed out")
    return NameFailed("the look-up failed")
