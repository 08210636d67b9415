"""Test what becomes of one request between its begin and its end."""

import asyncio
from typing import Any, cast

import pytest

from deliverer.sender.connection import Connection
from deliverer.sender.pool import Pool
from deliverer.sender.port import AttemptResult, PreparedRequest
from deliverer.sender.route import ConnectFailed
from deliverer.sender.sending import STALE_S_MAX, Means, Sending, outcome_of
from schemas.outcome import Outcome
from tests.fakes.clock import ManualClock
from tests.fakes.transport import FakeTransport

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
REQUEST = PreparedRequest(
    scheme="http", host="a.example", port=80, target=b"/", head=b"HEAD", body=b"body", timeout_s=5.0
)


class FakeConnector:
    """Opens connections over fake transports, or fails, when the test lets it."""

    def __init__(self) -> None:
        self.answer: Connection | ConnectFailed | BaseException | None = None
        self.asked = 0
        self.deadlines: list[float] = []
        self.go = asyncio.Event()
        self.go.set()

    async def open(self, *place: object, deadline: float) -> Connection | ConnectFailed:
        """Give the next answer."""
        self.asked += 1
        self.deadlines.append(deadline)
        await self.go.wait()
        assert self.answer is not None
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Rig:
    """The means of a sender with both ends of its connections in hand."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.connector = FakeConnector()
        self.reused: list[bool] = []
        self.clock = ManualClock()
        self.means = Means(
            loop=self.loop,
            clock=self.clock,
            pool=Pool(self.loop),
            connector=cast(Any, self.connector),
            on_connection=self.reused.append,
            dialling=set(),
        )
        self.ends: list[AttemptResult] = []
        self.may_send = True

    def connection(self) -> tuple[Connection, Any]:
        """Return a fresh connection and its transport."""
        transport: Any = FakeTransport()
        connection = Connection(self.loop, self.means.pool.forget)
        connection.connection_made(transport)
        return connection, transport

    def kept(self) -> tuple[Connection, Any]:
        """Return a connection that waits for its next request."""
        connection, transport = self.connection()
        self.means.pool.put(("http", "a.example", 80), connection)
        return connection, transport

    def begin(self) -> Sending:
        """Begin to send."""
        sending = Sending(self.means, REQUEST, self.ends.append, may_send=lambda: self.may_send)
        sending.start()
        return sending

    async def turn(self) -> None:
        """Let everything happen that can."""
        for _ in range(5):
            await asyncio.sleep(0)


async def test_on_a_kept_connection_no_turn_of_the_loop_is_waited_for() -> None:
    """Written when begun, in one piece; told when answered; and the connection is kept again."""
    rig = Rig()
    connection, transport = rig.kept()

    rig.begin()
    assert transport.written == [b"HEADbody"]
    connection.data_received(NO_CONTENT)

    assert [(end.outcome, end.status, end.is_reused) for end in rig.ends] == [
        (Outcome.DELIVERED, 204, True)
    ]
    assert len(rig.means.pool) == 1
    assert rig.reused == [True]
    rig.means.pool.close()


async def test_a_kept_connection_that_breaks_unanswered_is_replaced_once() -> None:
    """The receiver had closed it; the second connection's end is the attempt's."""
    rig = Rig()
    stale, _ = rig.kept()
    fresh, transport = rig.connection()
    rig.connector.answer = fresh

    rig.begin()
    stale.connection_lost(None)
    await rig.turn()
    assert (rig.ends, transport.written) == ([], [b"HEADbody"])
    fresh.connection_lost(None)
    await rig.turn()

    assert [(end.outcome, end.is_reused) for end in rig.ends] == [(Outcome.CONNECTION_LOST, False)]
    assert (rig.connector.asked, rig.reused) == (1, [True, False])


async def test_a_kept_connection_that_breaks_late_is_the_end() -> None:
    """So long after it was written the receiver may well have acted on the request."""
    rig = Rig()
    kept, _ = rig.kept()
    rig.begin()
    kept._started -= STALE_S_MAX

    kept.connection_lost(None)
    await rig.turn()

    assert [(end.outcome, end.is_reused) for end in rig.ends] == [(Outcome.CONNECTION_LOST, True)]
    assert rig.connector.asked == 0


async def test_a_request_that_goes_on_elsewhere_has_no_more_time_than_it_had() -> None:
    """`timeout_s` bounds the attempt, however many connections it took."""
    rig = Rig()
    stale, _ = rig.kept()
    rig.connector.answer = ConnectFailed(Outcome.CONNECT_ERROR, "no")
    sending = rig.begin()
    sending._started -= 3.0

    stale.connection_lost(None)
    await rig.turn()

    assert rig.connector.deadlines == [sending._started + REQUEST.timeout_s]


async def test_who_may_not_send_is_told_later_and_keeps_the_connection() -> None:
    """Nothing is written; whoever began it is still in the middle of a step."""
    rig = Rig()
    _, transport = rig.kept()
    rig.may_send = False

    rig.begin()
    assert rig.ends == []
    await rig.turn()

    assert [end.outcome for end in rig.ends] == [Outcome.CANCELLED]
    assert transport.written == []
    assert len(rig.means.pool) == 1
    rig.means.pool.close()


async def test_cut_off_on_a_connection_it_closes_and_nothing_is_told() -> None:
    """Also when the answer is on its way."""
    rig = Rig()
    connection, transport = rig.kept()
    sending = rig.begin()

    sending.cut()
    connection.data_received(NO_CONTENT)
    connection.connection_lost(None)
    await rig.turn()

    assert transport.is_aborted
    assert rig.ends == []


async def test_cut_off_while_it_dials_the_dial_ends_and_nothing_is_told() -> None:
    """No task is left behind."""
    rig = Rig()
    rig.connector.go.clear()
    sending = rig.begin()
    await rig.turn()

    sending.cut()
    await rig.turn()

    assert rig.connector.asked == 1
    assert rig.means.dialling == set()
    assert rig.ends == []


async def test_cut_off_twice_or_after_its_end_changes_nothing() -> None:
    """The connection may serve somebody else by then."""
    rig = Rig()
    connection, transport = rig.kept()
    sending = rig.begin()
    connection.data_received(NO_CONTENT)

    sending.cut()
    sending.cut()

    assert len(rig.ends) == 1
    assert connection.is_idle
    assert not transport.is_aborted
    rig.means.pool.close()


async def test_a_defect_while_dialling_is_ours_and_shows() -> None:
    """The attempt ends all the same."""
    rig = Rig()
    shown: list[dict[str, Any]] = []
    rig.loop.set_exception_handler(lambda _, context: shown.append(context))
    rig.connector.answer = RuntimeError("a defect")

    rig.begin()
    await rig.turn()

    assert [(end.outcome, end.detail) for end in rig.ends] == [
        (Outcome.LOCAL_FAULT, "a defect: RuntimeError")
    ]
    assert [str(context["exception"]) for context in shown] == ["a defect"]


async def test_a_dial_that_somebody_else_cancels_is_an_end_too() -> None:
    """A look-up that others share, or the sender's close: the slot must not be held for ever."""
    rig = Rig()
    rig.connector.answer = asyncio.CancelledError()

    rig.begin()
    await rig.turn()

    assert [end.outcome for end in rig.ends] == [Outcome.CANCELLED]
    assert rig.means.dialling == set()


@pytest.mark.parametrize("outcome", [Outcome.CONNECT_ERROR, Outcome.LOCAL_FAULT])
async def test_a_failed_dial_is_the_end(outcome: Outcome) -> None:
    """A fault of ours sheds idle connections: descriptors may be what is short."""
    rig = Rig()
    idle, _ = rig.connection()
    rig.means.pool.put(("http", "b.example", 80), idle)
    rig.connector.answer = ConnectFailed(outcome, "no")

    rig.begin()
    await rig.turn()

    assert [(end.outcome, end.detail) for end in rig.ends] == [(outcome, "no")]
    assert len(rig.means.pool) == (0 if outcome is Outcome.LOCAL_FAULT else 1)
    rig.means.pool.close()


def test_every_final_status_has_its_outcome() -> None:
    """410 and 429 stand out of their class."""
    special = {410: "http_410", 429: "http_429"}
    classes = {2: "delivered", 3: "http_3xx", 4: "http_4xx", 5: "http_5xx"}

    for status in range(200, 600):
        assert outcome_of(status) == special.get(status, classes[status // 100])
