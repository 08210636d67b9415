"""The programs of docs/producers.md against a real Kafka and a real gateway."""

import asyncio
import json
from pathlib import Path

import pytest

from hooklane.check_producer_command import CheckOptions, run_check
from tests.docs.programs import run
from tests.docs.snippets import extracted
from tests.e2e.conftest import stack as stack_fixture
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

stack = stack_fixture
KAFKA_PROGRAMS = (
    "examples/producers/kafka_aiokafka.py",
    "examples/producers/kafka_confluent.py",
    "examples/producers/kafka_kafkajs.mjs",
)
HTTP_PROGRAMS = (
    "examples/producers/http_event.py",
    "examples/producers/http_event.mjs",
    "examples/producers/http_batch.py",
    "examples/producers/http_cloudevent.py",
)
PROGRAMS = KAFKA_PROGRAMS + HTTP_PROGRAMS


def check(stack: Stack, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Read `events` back with our own tool, which judges each record."""
    code = run_check(stack.environment, CheckOptions(100), "json")
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    assert code == 0, rows
    return rows


@pytest.mark.parametrize("path", KAFKA_PROGRAMS)
async def test_a_direct_producer_keeps_the_contract(
    path: str, stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Key, partition, headers and attributes, as `hooklane check-producer` sees them."""
    program = extracted(path, tmp_path)

    code, said = await run(
        program, KAFKA=stack.bootstrap_servers, EVENTS_TOPIC=f"{stack.prefix}.events"
    )
    (row,) = await asyncio.to_thread(check, stack, capsys)

    assert code == 0, said
    assert (row["key"], row["type"], row["verdict"]) == ("acme", "order.paid", "ok")


async def test_http_programs_send_events(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each gets its 202s, twice the same ids, and what lies in Kafka keeps the contract."""
    await stack.start("gateway")
    url = f"http://127.0.0.1:{stack.gateway_port}"
    for path in HTTP_PROGRAMS:
        program = extracted(path, tmp_path)
        answers = [
            await run(program, HOOKLANE_URL=url, HOOKLANE_KEY=stack.root_key) for _ in range(2)
        ]

        assert [code for code, _ in answers] == [0, 0], answers
        ids = [{word for word in said.split() if "msg_" in word or "evt_" in word}
               for _, said in answers]  # fmt: skip
        assert "evt_" in str(ids[0]) or "msg_" in str(ids[0])
        assert {one.split(",")[0] for one in ids[0]} == {one.split(",")[0] for one in ids[1]}

    rows = await asyncio.to_thread(check, stack, capsys)
    assert len(rows) == 12
