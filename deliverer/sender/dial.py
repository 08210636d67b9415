"""Open a TCP connection to one of several numeric addresses, families in turn (RFC 8305).

Nothing here looks a name up, and nothing judges an address: the caller has done both.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import Final

from chassis.egress import IPAddress
from deliverer.sender.faults import is_local_fault

STAGGER_S: Final = 0.25
ADDRESSES_TRIED_MAX: Final = 6
_IPV6: Final = 6

Dial = Callable[[IPAddress, int], Awaitable[socket.socket]]


async def dial_tcp(address: IPAddress, port: int) -> socket.socket:
    """Connect a non-blocking socket to a numeric address. Raises OSError."""
    family = socket.AF_INET6 if address.version == _IPV6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


def in_turn(addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """Order addresses so that families alternate, the first one's first; at most six."""
    first = [ip for ip in addresses if ip.version == addresses[0].version]
    other = [ip for ip in addresses if ip.version != addresses[0].version]
    mixed = chain.from_iterable(zip_longest(first, other))
    return [ip for ip in mixed if ip is not None][:ADDRESSES_TRIED_MAX]


async def dial_first(
    addresses: Sequence[IPAddress], port: int, *, dial: Dial, stagger_s: float = STAGGER_S
) -> socket.socket:
    """Return the first connection that comes up; the next address starts on failure or slowness.

    Raises the OSError of the first failure, or one that is this host's own fault.
    """
    waiting = in_turn(addresses)
    if len(waiting) == 1:
        return await dial(waiting[0], port)
    running: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(dial(waiting.pop(0), port)))
            pause_s = stagger_s if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                running.discard(task)
                error = task.exception()
                if error is None:
                    running.update(done)
                    running.discard(task)
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
        raise next(filter(is_local_fault, errors), errors[0])
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_late)


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
