"""What `/debug` shows of a deliverer."""

from typing import Any

import orjson

from chassis.debug import Question
from chassis.table import Table
from deliverer.debug import descriptions
from deliverer.endpoints import RegistryEntry
from deliverer.policy.items import Limits
from deliverer.worker import PartitionWorker
from schemas.outcome import Outcome
from tests.fakes.deliverer import Bench, delivery_record

ALL = Question()


class Idle:
    """A sender, and a table, of which only numbers are asked."""

    idle_connections = 3
    is_caught_up = True
    records = 7


def _shown(*benches: Bench, asked: Question = ALL) -> dict[str, Any]:
    idle = Idle()
    workers: list[PartitionWorker] = [bench.worker for bench in benches]
    table: Table[RegistryEntry] = idle  # type: ignore[assignment]  # two of its properties
    parts = descriptions(
        lambda: workers,
        slots=benches[0].slots,
        sender=idle,  # type: ignore[arg-type]  # one of its properties
        table=table,
        is_joined=lambda: True,
    )
    return {name: describe(asked) for name, describe in parts.items()}


async def test_a_partition_shows_its_window_ticks_and_lease() -> None:
    """Plain data, whatever state it is in."""
    bench = await Bench().start()
    await bench.feed(delivery_record(0))

    shown = _shown(bench)

    assert orjson.loads(orjson.dumps(shown)) == shown
    (row,) = shown["partitions"]
    assert (row["partition"], row["is_running"], row["is_lease_fresh"]) == (0, True, True)
    assert (row["low"], row["position"], row["in_flight"]) == (0, 1, 1)
    assert set(row["tick_state"]) == {"is_open", "is_in_doubt", "last_began_s_ago"}
    assert shown["slots"] == {"in_flight": 1}
    assert shown["pool"] == {"idle_connections": 3}
    await bench.close()


async def test_lists_are_bounded_over_all_partitions() -> None:
    """So many rows, however many partitions there are."""
    bench = await Bench(limits=Limits(breaker_failures=1)).start()
    await bench.feed(delivery_record(0))
    bench.attempts.finish(0, Outcome.TIMEOUT)
    await bench.turn()

    one, none = _shown(bench), _shown(bench, asked=Question("sub_x", 1))

    assert [row["subscription"] for row in one["subscriptions"]] == ["sub_a"]
    assert len(_shown(bench, bench, asked=Question(None, 1))["lanes"]) == 1
    assert (none["lanes"], none["subscriptions"]) == ([], [])
    await bench.close()


async def test_a_worker_before_its_takeover_says_so() -> None:
    """It has no lanes yet."""
    shown = _shown(Bench())

    assert shown["partitions"] == [{"partition": 0, "is_running": False}]
    assert shown["lanes"] == []
