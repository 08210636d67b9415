"""`/debug` and `/log-level`, asked over loopback."""

import io
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from chassis import logs
from chassis.admin import AdminServer
from chassis.debug import ITEMS_MAX, Question
from chassis.metrics import make_registry
from chassis.settings import AdminSettings, LogSettings
from tests.fakes.clock import ManualClock

TOKEN = "token-of-the-tests-0123"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


class Served:
    """A running admin server, its client, and what is logged."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        settings = AdminSettings.model_validate({"host": "127.0.0.1", "port": 0, "token": TOKEN})
        self.clock = ManualClock()
        self.server = AdminServer(
            settings, checks={}, registry=make_registry("shop"), clock=self.clock
        )
        self.client = client
        self.lines = io.BytesIO()
        self.asked: list[Question] = []

    def describe(self, question: Question) -> object:
        """Describe a part of the service."""
        self.asked.append(question)
        return {"n": 1, "odd": object()}

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, object]]:
        """Return status and answer."""
        url = f"http://127.0.0.1:{self.server.port}{path}"
        data = None if body is None else orjson.dumps(body)
        async with self.client.request(
            method, url, data=data, headers=headers or AUTHORIZED
        ) as response:
            return response.status, orjson.loads(await response.read())

    def events(self) -> list[str]:
        """Return the events of the log."""
        return [orjson.loads(line)["event"] for line in self.lines.getvalue().splitlines()]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Run a server with a token."""
    async with aiohttp.ClientSession() as client:
        made = Served(client)
        logs.configure(LogSettings(), "shop", stream=made.lines)
        made.server.add_debug({"part": made.describe, "broken": _broken})
        await made.server.start()
        yield made
        await made.server.stop()
        logs.LEVELS_NOW.settle("info")


def _broken(_question: Question) -> object:
    raise OSError("hunter2")


@pytest.mark.parametrize("path", ["/debug", "/debug/tasks", "/log-level"])
async def test_without_a_token_there_is_nothing(path: str) -> None:
    """Not even a hint that there could be."""
    settings = AdminSettings(host="127.0.0.1", port=0)
    server = AdminServer(settings, checks={}, registry=make_registry("shop"))
    server.add_debug({"part": lambda _: {}})
    await server.start()
    url = f"http://127.0.0.1:{server.port}{path}"
    async with aiohttp.ClientSession(headers=AUTHORIZED) as client, client.get(url) as response:
        assert response.status == 404
    await server.stop()


@pytest.mark.parametrize("given", ["", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/debug"), ("GET", "/debug/tasks"), ("PUT", "/log-level"), ("DELETE", "/log-level")],
)
async def test_another_token_opens_nothing(
    served: Served, given: str, method: str, path: str
) -> None:
    """401, and nothing changes."""
    status, _ = await served.ask(method, path, {"level": "debug"}, Authorization=given)

    assert status == 401
    assert served.asked == []
    assert logs.LEVELS_NOW.lowest("x") == 20


async def test_each_part_describes_itself(served: Served) -> None:
    """What is no plain data is only named; a broken part hides no other one, and tells no text."""
    served.clock.advance(90)

    status, shown = await served.ask("GET", "/debug")

    assert status == 200
    assert shown["part"] == {"n": 1, "odd": "<object>"}
    assert shown["broken"] == {"broken": "OSError"}
    assert shown["uptime_s"] == 90
    assert served.asked == [Question(None, 50)]


async def test_one_subscription_can_be_asked_for(served: Served) -> None:
    """With as many items as are wanted, up to a bound."""
    await served.ask("GET", f"/debug?subscription=sub_01h&limit={ITEMS_MAX}")

    assert served.asked == [Question("sub_01h", ITEMS_MAX)]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "subscription=a%20b", "subscription=", "token=x"]
)
async def test_other_questions_are_refused(served: Served, query: str) -> None:
    """422, and no part is asked."""
    assert (await served.ask("GET", f"/debug?{query}"))[0] == 422
    assert served.asked == []


async def test_tasks_are_counted_by_name_and_place(served: Served) -> None:
    """Where a loop stands when nothing moves."""
    status, shown = await served.ask("GET", "/debug/tasks")

    assert status == 200
    assert isinstance(shown["shown"], list)
    places = [row["at"] for row in shown["shown"]]
    assert any(place.startswith("chassis/test_debug.py:") for place in places)


async def test_a_level_changes_for_a_while(served: Served) -> None:
    """At once, for one part, told in the log; then it is as before."""
    quiet = logs.get("attempts")
    quiet.debug("before")

    status, shown = await served.ask(
        "PUT", "/log-level", {"level": "debug", "component": "attempts", "minutes": 1}
    )
    quiet.debug("while")
    logs.get("worker").debug("elsewhere")
    served.clock.advance(60)
    served.server._debug.expire()  # type: ignore[union-attr]  # the timer's own step
    quiet.debug("after")

    assert status == 200
    assert shown["changes"] == [{"component": "attempts", "level": "debug", "left_s": 60}]
    assert served.events() == ["log.level_changed", "while", "log.level_restored"]
    assert quiet.is_enabled_for(10) is False


async def test_a_level_can_be_restored_at_once(served: Served) -> None:
    """Without waiting."""
    await served.ask("PUT", "/log-level", {"level": "debug"})
    status, shown = await served.ask("DELETE", "/log-level")

    assert (status, shown["changes"]) == (200, [])
    assert (await served.ask("GET", "/log-level"))[1] == shown


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"level": "trace"},
        {"level": "debug", "minutes": 0},
        {"level": "debug", "minutes": 1441},
        {"level": "debug", "component": "A b"},
        {"level": "debug", "for": 1},
        [],
    ],
)
async def test_a_wrong_change_changes_nothing(served: Served, body: object) -> None:
    """422 that names the field."""
    status, _ = await served.ask("PUT", "/log-level", body)

    assert status == 422
    assert logs.LEVELS_NOW.lowest("x") == 20
