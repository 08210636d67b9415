"""One attempt, from its endpoint to its report."""

import asyncio

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from deliverer.attempts import Attempter, Making
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Attempt, AttemptReport, Delivery
from deliverer.records import read_delivery
from deliverer.sender.port import AttemptResult
from schemas.outcome import Outcome
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import SECRET, FakeRegistry, delivery_record, made, silent_log
from tests.fakes.sender import FakeSender

HOST = "hooks.example.com"


class Rig:
    """An attempter over a fake sender and registry."""

    def __init__(self, answer: AttemptResult | None = None) -> None:
        self.sender = FakeSender({} if answer is None else {HOST: answer})
        self.instruments = CollectorRegistry()
        self.logger, self.said = silent_log()
        self.registry = FakeRegistry(self.logger)
        self.registry.put()
        self.attempter = Attempter(
            self.sender,
            clock=ManualClock(),
            metrics=DelivererMetrics(self.instruments),
            log=self.logger,
        )

    async def make(self, number: int = 1, **record: object) -> AttemptReport:
        """Make an attempt."""
        delivery = read_delivery(delivery_record(5, **record))  # type: ignore[arg-type]
        assert isinstance(delivery, Delivery)
        return await made(self.attempter, Attempt(delivery, number), self.registry.view)

    def prepare(self, ends: list[object]) -> Making:
        """Build an attempt; `ends` gets its report or its fault."""
        delivery = read_delivery(delivery_record(5))
        assert isinstance(delivery, Delivery)
        attempt = Attempt(delivery, 1)
        return self.attempter.prepare(
            attempt, self.registry.view, lambda _, report: ends.append(report)
        )

    def count(self, name: str, **labels: str) -> float:
        """Read a metric."""
        return self.instruments.get_sample_value(name, labels) or 0.0


def heads(rig: Rig) -> dict[str, str]:
    """Return the header fields of the one request."""
    (request,) = rig.sender.requests
    lines = request.head.decode().split("\r\n")[1:-2]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


async def test_the_request_is_signed_and_numbered() -> None:
    """The official library verifies it."""
    rig = Rig()

    report = await rig.make(number=3)

    sent = heads(rig)
    now = {"webhook-timestamp": sent["webhook-timestamp"]}
    webhook = Webhook(SECRET)
    signature = webhook.sign(
        "msg_5", _moment(int(now["webhook-timestamp"])), rig.sender.requests[0].body.decode()
    )
    assert report.outcome is Outcome.DELIVERED
    assert sent["webhook-signature"] == signature
    assert (sent["webhook-attempt"], sent["webhook-sequence"]) == ("3", "5")
    assert "webhook-replay" not in sent


async def test_a_replay_says_so() -> None:
    """Receivers tell replays from first deliveries."""
    rig = Rig()

    await rig.make(kind="replay")

    assert heads(rig)["webhook-replay"] == "true"


async def test_a_subscription_that_went_away_is_not_sent_to() -> None:
    """Between the decision and the attempt it was deleted or disabled."""
    rig = Rig()
    rig.registry.put(status="disabled")

    report = await rig.make()

    assert report.outcome is Outcome.CANCELLED
    assert rig.sender.requests == []


async def test_a_closed_vault_is_a_fault_of_ours() -> None:
    """No attempt number is burnt."""
    rig = Rig()
    rig.registry.put(sealed="AA==")

    report = await rig.make()

    assert (report.outcome, report.detail) == (Outcome.LOCAL_FAULT, "vault")
    assert rig.sender.requests == []


async def test_a_stored_url_that_breaks_todays_rules_is_blocked() -> None:
    """The sender is not asked, the detail names no URL."""
    rig = Rig()
    delivery = read_delivery(delivery_record(5))
    assert isinstance(delivery, Delivery)
    bad = Attempt(msgspec.structs.replace(delivery, webhook_id="no such id"), 1)

    report = await made(rig.attempter, bad, rig.registry.view)

    assert report.outcome is Outcome.BLOCKED
    assert rig.sender.requests == []


async def test_a_failure_is_one_log_line_and_its_answer_is_masked() -> None:
    """What a receiver echoes does not reach a topic or a line."""
    echo = f"you sent {SECRET}".encode()
    rig = Rig(AttemptResult(outcome=Outcome.HTTP_5XX, status=500, response=echo, duration_ms=20))

    report = await rig.make()

    (line,) = [entry for entry in rig.said.entries if entry["log_level"] != "debug"]
    assert report.response == b"you sent ***"
    assert (line["event"], line["outcome"], line["status"]) == ("attempt.failed", "http_5xx", 500)
    assert SECRET not in str(line)


async def test_a_failure_that_asks_for_no_more_is_reported_aborted() -> None:
    """Record, line and duration agree on the outcome; the status stays."""
    answer = AttemptResult(
        outcome=Outcome.HTTP_4XX, status=400, webhook_delivery="abort-message", duration_ms=20
    )
    rig = Rig(answer)

    report = await rig.make()

    assert (report.outcome, report.status) == (Outcome.ABORTED, 400)
    assert rig.count("hooklane_delivery_duration_seconds_count", outcome="aborted") == 1


async def test_a_success_is_quiet() -> None:
    """Only at debug level."""
    rig = Rig()

    await rig.make()

    assert [entry["log_level"] for entry in rig.said.entries] == ["debug"]
    assert rig.count("hooklane_delivery_end_to_end_seconds_count") == 1
    assert rig.count("hooklane_delivery_first_attempt_delay_seconds_count") == 1


@pytest.mark.parametrize("is_unhindered", [True, False])
async def test_our_own_delay_leaves_out_what_waited_for_its_receiver(is_unhindered: bool) -> None:
    """The objective is ours: a receiver that failed before must not spend its budget."""
    rig = Rig()
    delivery = read_delivery(delivery_record(5))
    assert isinstance(delivery, Delivery)
    delivery.is_unhindered = is_unhindered

    await made(rig.attempter, Attempt(delivery, 1), rig.registry.view)

    assert rig.count("hooklane_delivery_first_attempt_delay_seconds_count") == 1
    assert rig.count("hooklane_delivery_own_delay_seconds_count") == is_unhindered


async def test_a_retry_tells_how_late_it_started() -> None:
    """From its due time; a first attempt has none."""
    rig = Rig()
    delivery = read_delivery(delivery_record(5))
    assert isinstance(delivery, Delivery)
    due_at = ManualClock().now_ms() - 250

    await made(rig.attempter, Attempt(delivery, 2, (0, 7), due_at=due_at), rig.registry.view)
    await made(rig.attempter, Attempt(delivery, 1), rig.registry.view)

    assert rig.count("hooklane_retry_lateness_seconds_count") == 1
    assert rig.count("hooklane_retry_lateness_seconds_sum") == 0.25


@pytest.mark.parametrize("reason", ["address", "dns", "scheme", "port"])
async def test_a_blocked_attempt_is_counted_by_reason(reason: str) -> None:
    """P7 is watched."""
    answer = AttemptResult(outcome=Outcome.BLOCKED, blocked_reason=reason)  # type: ignore[arg-type]
    rig = Rig(answer)

    await rig.make(number=2)

    assert rig.count("hooklane_delivery_blocked_total", reason=reason) == 1
    assert rig.count("hooklane_delivery_first_attempt_delay_seconds_count") == 0


async def test_an_attempt_that_is_cut_off_cuts_the_request_off() -> None:
    """Else it would reach its receiver on behalf of who does not own the partition any more."""
    rig = Rig()
    rig.sender.hangs.add(HOST)
    ends: list[object] = []

    making = rig.prepare(ends)
    making.send()
    await asyncio.sleep(0)
    assert len(rig.sender.requests) == 1
    making.cut()
    for _ in range(3):
        await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert ends == []


async def test_what_was_cut_off_before_it_was_sent_is_not_sent() -> None:
    """Many are built before the first is sent; whatever happens in between counts."""
    rig = Rig()
    ends: list[object] = []

    making = rig.prepare(ends)
    assert rig.sender.requests == []
    making.cut()
    making.send()
    for _ in range(3):
        await asyncio.sleep(0)

    assert rig.sender.requests == []
    assert ends == []


async def test_a_defect_in_a_report_is_the_end_of_its_attempt() -> None:
    """Nobody above the sender's call would see it; whoever began the attempt must."""
    broken = AttemptResult(outcome=Outcome.HTTP_5XX, status=500, retry_after=b"7")  # type: ignore[arg-type]  # the defect
    rig = Rig(broken)
    ends: list[object] = []

    rig.prepare(ends).send()
    for _ in range(5):
        await asyncio.sleep(0)

    (fault,) = ends
    assert isinstance(fault, TypeError)


def _moment(seconds: int):  # type: ignore[no-untyped-def]  # datetime, only for the library
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)
