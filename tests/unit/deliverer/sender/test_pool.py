"""Test which idle connections are kept, taken and dropped."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deliverer.sender.pool import Pool
from tests.fakes.transport import HandLoop

KEY = ("https", "a.example", 443)


class FakeConnection:
    """An idle connection that remembers how it was closed."""

    def __init__(self) -> None:
        self.is_idle = True
        self.is_closed = False
        self.has_bytes = False

    def has_unread_bytes(self) -> bool:
        """Say what the test set."""
        return self.has_bytes

    def close(self) -> None:
        """Close politely."""
        self.is_idle, self.is_closed = False, True

    abort = close


def _pool(**bounds: Any) -> tuple[Any, Any]:
    loop: Any = HandLoop()
    return Pool(loop, **bounds), loop


def _fill(pool: Any, count: int, key: tuple[str, str, int] = KEY) -> list[Any]:
    connections = [FakeConnection() for _ in range(count)]
    for connection in connections:
        pool.put(key, connection)
    return connections


def test_the_newest_connection_of_an_endpoint_is_taken() -> None:
    """Another scheme, host or port is another endpoint."""
    pool, _ = _pool()
    first, second = _fill(pool, 2)

    assert pool.take(("http", "a.example", 443)) is None
    assert pool.take(("https", "b.example", 443)) is None
    assert pool.take(KEY) is second
    assert pool.take(KEY) is first
    assert pool.take(KEY) is None


def test_an_unclean_connection_is_closed_instead_of_taken() -> None:
    """Closed by the receiver, or with bytes that nobody asked for."""
    pool, _ = _pool()
    good, spoken, gone = _fill(pool, 3)
    spoken.has_bytes = True
    gone.is_idle = False

    assert pool.take(KEY) is good
    assert spoken.is_closed
    assert len(pool) == 0


def test_connections_age_out() -> None:
    """At 90 seconds, whether somebody asks or not."""
    pool, loop = _pool()
    (old,) = _fill(pool, 1)
    loop.now = 89.0
    (young,) = _fill(pool, 1)

    loop.advance(12.0)

    assert old.is_closed
    assert not young.is_closed
    loop.now += 90.0
    assert pool.take(KEY) is None


def test_the_sweep_ends_with_the_last_connection() -> None:
    """An empty pool keeps no timer."""
    pool, loop = _pool()
    _fill(pool, 3)

    loop.advance(200.0)

    assert len(pool) == 0
    assert loop.armed == 0


def test_bounds_drop_the_least_recently_used() -> None:
    """Per endpoint and in all."""
    pool, _ = _pool(idle_max=3, idle_per_endpoint_max=2)

    first, second, third = _fill(pool, 3)
    _fill(pool, 2, ("https", "b.example", 443))

    assert first.is_closed
    assert second.is_closed
    assert not third.is_closed
    assert len(pool) == 3


def test_a_connection_that_is_not_idle_is_not_kept() -> None:
    """It may have been closed while its answer was on the way to the caller."""
    pool, _ = _pool()
    connection = FakeConnection()
    connection.is_idle = False

    pool.put(KEY, connection)

    assert len(pool) == 0
    assert connection.is_closed


def test_a_closed_pool_keeps_nothing() -> None:
    """Neither what it had nor what comes later; no timer stays."""
    pool, loop = _pool()
    before = _fill(pool, 2)

    pool.close()
    pool.close()
    after = _fill(pool, 1)

    assert all(connection.is_closed for connection in before + after)
    assert loop.armed == 0


def test_shedding_frees_the_oldest() -> None:
    """Used when descriptors run out; asking for more than there is, is fine."""
    pool, _ = _pool()
    first, second, third = _fill(pool, 3)

    pool.shed(2)

    assert (first.is_closed, second.is_closed, third.is_closed) == (True, True, False)
    pool.shed(99)
    assert len(pool) == 0


@given(st.lists(st.tuples(st.sampled_from("ptfc"), st.integers(0, 3)), max_size=60))
def test_the_pool_never_passes_its_bounds(steps: list[tuple[str, int]]) -> None:
    """Whatever order connections come, go and close in, and nothing is handed out twice."""
    pool, _ = _pool(idle_max=5, idle_per_endpoint_max=2)
    known: list[Any] = []
    taken: list[Any] = []

    for step, number in steps:
        key = ("https", f"h{number}.example", 443)
        if step == "p":
            known.append(FakeConnection())
            pool.put(key, known[-1])
        elif step == "t" and (connection := pool.take(key)) is not None:
            taken.append(connection)
        elif step == "f" and known:
            pool.forget(known[number % len(known)])
        elif step == "c" and known:
            known[number % len(known)].close()
        assert len(pool) <= 5

    assert len(taken) == len(set(taken))
    assert all(connection.is_idle or connection in known for connection in taken)
