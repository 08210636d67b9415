"""When a deleted record is forgotten for good."""

from collections.abc import Callable, Iterable

import orjson
import pytest

from chassis.table_writer import Writes, WriteUnavailable
from gateway.registry_rows import Row, decode_row
from gateway.tombstones import Schedule, Tombstones
from schemas.subscribers import subscriber_key
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import silent_log

DAY_S = 86_400
WEEK_S = 604_800
TIMES = {"created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z"}


class Log:
    """The registry as table and writer see it, with one partition."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.rows: dict[bytes, tuple[Row, int]] = {}
        self.writes: list[list[bytes]] = []
        self.is_down = False
        self.before_decide: Callable[[], object] = lambda: None

    def put(self, name: str, *, deleted: bool) -> bytes:
        """Append the record of a subscriber now."""
        key = subscriber_key(name)
        raw = {"subscriber": name, "version": 1, "deleted": deleted, **TIMES}
        self.rows[key] = (decode_row(key, orjson.dumps(raw)), self.clock.now_ms())
        return key

    def get(self, partition: int, key: bytes) -> Row:
        """Return the current value."""
        return self.rows[key][0] if key in self.rows else None

    def appended_at(self, partition: int, key: bytes) -> int | None:
        """Return its append time."""
        return self.rows[key][1] if key in self.rows else None

    def items(self, partition: int) -> Iterable[tuple[bytes, Row]]:
        """Return what there is."""
        return [(key, row) for key, (row, _) in self.rows.items()]

    async def update(self, partition: int, decide: Callable[[], Writes]) -> None:
        """Write tombstones, after whatever the test lets happen first."""
        if self.is_down:
            raise WriteUnavailable("no broker")
        self.before_decide()
        written = [key for key, value in decide() if value is None]
        self.writes.append(written)
        for key in written:
            del self.rows[key]


class World:
    """The component and everything around it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = Log(self.clock)
        self.counted: list[int] = []
        self.bounds: list[bool] = []
        self.said = silent_log()

    def tombstones(self, *, per_run: int = 100) -> Tombstones:
        """Make one, as at the start of a process."""
        return Tombstones(
            self.log,
            self.log,
            partitions=1,
            schedule=Schedule(WEEK_S, 3_600, per_run),
            clock=self.clock,
            log=self.said[0],
            jitter=lambda: 0.5,
            on_written=self.counted.append,
            on_bound=lambda: self.bounds.append(True),
        )


@pytest.fixture
def world() -> World:
    """Give an empty registry."""
    return World()


async def test_what_was_deleted_a_week_ago_is_forgotten(world: World) -> None:
    """Not a moment earlier, and never what lives; another process goes by the same log."""
    gone = world.log.put("gone", deleted=True)
    alive = world.log.put("alive", deleted=False)
    world.clock.advance(WEEK_S - 0.001)
    assert await world.tombstones().look() == 0
    assert world.log.writes == []

    world.clock.advance(0.001)
    assert await world.tombstones().look() == 1

    assert world.log.writes == [[gone]]
    assert list(world.log.rows) == [alive]
    assert world.counted == [1]


async def test_what_was_made_again_meanwhile_stays(world: World) -> None:
    """The decision is made anew when nobody else can write."""
    key = world.log.put("again", deleted=True)
    world.clock.advance(WEEK_S)
    world.log.before_decide = lambda: world.log.put("again", deleted=False)

    await world.tombstones().look()

    assert world.log.writes == [[]]
    assert key in world.log.rows
    assert world.counted == [0]


async def test_a_deletion_of_later_waits_for_its_own_week(world: World) -> None:
    """Its age is that of the last record, not of the first."""
    world.log.put("acme", deleted=True)
    world.clock.advance(6 * DAY_S)
    world.log.put("acme", deleted=False)
    world.log.put("acme", deleted=True)
    world.clock.advance(DAY_S)

    assert await world.tombstones().look() == 0


async def test_a_look_is_bounded_and_says_when_it_met_the_bound(world: World) -> None:
    """The rest is found by the next one."""
    for number in range(5):
        world.log.put(f"s{number}", deleted=True)
    world.clock.advance(WEEK_S)
    tombstones = world.tombstones(per_run=3)

    assert await tombstones.look() == 3
    assert world.bounds == [True]
    assert await tombstones.look() == 2
    assert world.bounds == [True]
    assert world.log.rows == {}


async def test_a_registry_that_takes_no_writes_is_tried_again_later(world: World) -> None:
    """It is told, and nothing is lost."""
    world.log.put("gone", deleted=True)
    world.clock.advance(WEEK_S)
    world.log.is_down = True

    await world.tombstones().look()

    assert world.counted == []
    assert [entry["event"] for entry in world.said[1].entries] == ["registry.tombstones_delayed"]
    world.log.is_down = False
    assert await world.tombstones().look() == 1


class TestLifecycle(LifecycleContract):
    """It starts and stops as every component does."""

    @pytest.fixture
    def component(self, world: World) -> Tombstones:
        """Give one."""
        return world.tombstones()
