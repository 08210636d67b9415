"""What `/debug` shows of a deliverer. Numbers, lanes and subscriptions; no URL and no host."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from chassis.debug import Describe, Question
from chassis.table import Table
from deliverer.endpoints import RegistryEntry
from deliverer.policy.view import MachineView
from deliverer.sender.sender import HttpSender
from deliverer.slots import Slots
from deliverer.worker import PartitionWorker

Row = dict[str, object]


def descriptions(
    workers: Callable[[], Sequence[PartitionWorker]],
    *,
    slots: Slots,
    sender: HttpSender,
    table: Table[RegistryEntry],
    is_joined: Callable[[], bool],
) -> Mapping[str, Describe]:
    """Return the parts of the page."""

    def views() -> list[MachineView]:
        return [worker.view for worker in workers() if worker.view is not None]

    return {
        "group": lambda _: {"is_joined": is_joined(), "partitions": len(workers())},
        "slots": lambda _: {"in_flight": slots.in_flight},
        "pool": lambda _: {"idle_connections": sender.idle_connections},
        "registry": lambda _: {
            "is_caught_up": table.is_caught_up,
            "records": table.records,
        },
        "partitions": lambda asked: [
            worker.describe() for worker in sorted(workers(), key=_number)[: asked.items_max]
        ],
        "lanes": lambda asked: _first(
            (view.lanes(asked.subscription, asked.items_max) for view in views()), asked
        ),
        "subscriptions": lambda asked: _first(
            (view.seats(asked.subscription, asked.items_max) for view in views()), asked
        ),
    }


def _number(worker: PartitionWorker) -> int:
    return worker.partition


def _first(found: Iterable[Sequence[Row]], asked: Question) -> list[Row]:
    """Keep so many rows of all partitions together."""
    rows = [row for part in found for row in part]
    rows.sort(key=lambda row: str(row.get("since") or "~"))
    return rows[: asked.items_max]
