"""Test bounds, sharing and caching of look-ups with a fake name server."""

import asyncio
from ipaddress import ip_address

import aiodns
import pytest

from deliverer.resolver import (
    CACHED_NAMES_MAX,
    Addresses,
    AiodnsLookup,
    Answer,
    NameFailed,
    Resolver,
    failure_of,
)

ONE = Addresses((ip_address("93.184.215.14"),), 60.0)


class FakeLookup:
    """Answers what it was told, when `gate` is open; counts questions."""

    def __init__(self, answer: Answer = ONE) -> None:
        self.answer = answer
        self.questions: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, host: str) -> Answer:
        """Take one question."""
        self.questions.append(host)
        await self.gate.wait()
        return self.answer


class HandClock:
    """Monotonic seconds, moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Read the hand."""
        return self.now


async def test_callers_share_a_running_lookup() -> None:
    """A thousand attempts to one name are one question."""
    lookup = FakeLookup()
    resolver = Resolver(lookup, clock=HandClock())

    answers = await asyncio.gather(*(resolver.resolve("a.example") for _ in range(1000)))

    assert set(answers) == {ONE}
    assert lookup.questions == ["a.example"]


@pytest.mark.parametrize(
    ("answer", "kept_s"),
    [(ONE, 10.0), (Addresses(ONE.addresses, 3.0), 3.0), (NameFailed("gone"), 2.0)],
)
async def test_answers_are_kept_a_short_while(answer: Answer, kept_s: float) -> None:
    """Good ones at most 10 s or their time to live, bad ones 2 s."""
    lookup, clock = FakeLookup(answer), HandClock()
    resolver = Resolver(lookup, clock=clock)

    await resolver.resolve("a.example")
    clock.now = kept_s - 0.1
    await resolver.resolve("a.example")
    assert len(lookup.questions) == 1
    clock.now = kept_s
    await resolver.resolve("a.example")
    assert len(lookup.questions) == 2


async def test_our_own_faults_are_not_kept() -> None:
    """A name must not be dead because we were out of descriptors."""
    lookup = FakeLookup(NameFailed("no descriptor", is_local=True))
    resolver = Resolver(lookup, clock=HandClock())

    await resolver.resolve("a.example")
    await resolver.resolve("a.example")

    assert len(lookup.questions) == 2


async def test_too_many_lookups_are_our_own_fault() -> None:
    """The bound refuses at once instead of queueing behind dead names."""
    lookup = FakeLookup()
    lookup.gate.clear()
    resolver = Resolver(lookup, clock=HandClock(), lookups_max=1)
    first = asyncio.ensure_future(resolver.resolve("a.example"))
    await asyncio.sleep(0)

    refused = await resolver.resolve("b.example")

    assert isinstance(refused, NameFailed)
    assert refused.is_local
    lookup.gate.set()
    assert await first == ONE


async def test_a_lookup_that_never_answers_ends() -> None:
    """The bound is ours, whatever the name servers do."""
    lookup = FakeLookup()
    lookup.gate.clear()
    resolver = Resolver(lookup, clock=HandClock(), timeout_s=0.0)

    assert await resolver.resolve("a.example") == NameFailed("the look-up timed out")


async def test_cancelling_one_caller_leaves_the_others_their_answer() -> None:
    """A shared look-up belongs to all who wait."""
    lookup = FakeLookup()
    lookup.gate.clear()
    resolver = Resolver(lookup, clock=HandClock())
    first = asyncio.ensure_future(resolver.resolve("a.example"))
    second = asyncio.ensure_future(resolver.resolve("a.example"))
    await asyncio.sleep(0)

    first.cancel()
    lookup.gate.set()

    assert await second == ONE


async def test_the_cache_is_bounded() -> None:
    """The oldest names are forgotten first."""
    lookup = FakeLookup()
    resolver = Resolver(lookup, clock=HandClock())

    for number in range(CACHED_NAMES_MAX + 1):
        await resolver.resolve(f"n{number}.example")
    lookup.questions.clear()
    await resolver.resolve(f"n{CACHED_NAMES_MAX}.example")
    await resolver.resolve("n0.example")

    assert lookup.questions == ["n0.example"]


async def test_close_ends_running_lookups() -> None:
    """Nothing runs on after a stop."""
    lookup = FakeLookup()
    lookup.gate.clear()
    resolver = Resolver(lookup, clock=HandClock())
    waiting = asyncio.ensure_future(resolver.resolve("a.example"))
    await asyncio.sleep(0)

    await resolver.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_the_real_lookup_reads_the_hosts_file() -> None:
    """`localhost` needs no name server; every address comes back as a number."""
    lookup = AiodnsLookup()

    answer = await lookup("localhost")
    await lookup.close()

    assert isinstance(answer, Addresses)
    assert all(address.is_loopback for address in answer.addresses)


@pytest.mark.parametrize(
    ("code", "is_local"),
    [
        (aiodns.error.ARES_ENOTFOUND, False),
        (aiodns.error.ARES_ETIMEOUT, False),
        (aiodns.error.ARES_ESERVFAIL, False),
        (aiodns.error.ARES_ECONNREFUSED, True),
        (aiodns.error.ARES_EFILE, True),
        (aiodns.error.ARES_ENOMEM, True),
    ],
)
def test_errors_of_the_name_servers_are_told_from_ours(code: int, is_local: bool) -> None:
    """Lack of memory or descriptors is not charged to the receiver."""
    assert failure_of(aiodns.error.DNSError(code, "")).is_local is is_local
