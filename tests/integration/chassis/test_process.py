"""A service as a process: exit codes, signals, and what it prints."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60.0
SETTINGS = {
    "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
    "HOOKLANE_SHOP__ROOT_KEY": "hunter2-hunter2",
    "HOOKLANE_LIFECYCLE__SHUTDOWN_S": "20",
}

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Give a function that starts the shop with arguments and more variables."""
    processes: list[Process] = []

    async def start(*arguments: str, **variables: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fakes.shop_service", *arguments,
            cwd=ROOT, env={**SETTINGS, **variables}, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _end(process: Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    return process.returncode, out.decode(), err.decode()


async def _wait_for(process: Process, event: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        while line := await process.stdout.readline():
            if json.loads(line)["event"] == event:
                return
    raise AssertionError(f"{event} was never logged")


async def test_check_config_shows_the_settings_and_no_secret(start: Start) -> None:
    """Exit 0, plain JSON with the effective values."""
    code, out, err = await _end(await start("--check-config"))

    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert shown["kafka"]["bootstrap_servers"] == ["kafka:9092"]
    assert shown["shop"]["root_key"] == "**********"
    assert "hunter2" not in out


@pytest.mark.parametrize("arguments", [(), ("--check-config",)])
async def test_wrong_settings_are_one_line_each(start: Start, arguments: tuple[str, ...]) -> None:
    """Exit 4 on both ways, names and reasons on stderr, never a value."""
    code, out, err = await _end(
        await start(
            *arguments,
            HOOKLANE_SHOP__ROOT_KEY="hunter2",
            HOOKLANE_KAFKA__BOOTSTRAP="hunter2",
            HOOKLANE_TOPICS__PARTITIONS="hunter2",
        )
    )

    assert (code, out) == (4, "")
    assert "hunter2" not in err
    assert err.splitlines() == [
        "shop: HOOKLANE_KAFKA__BOOTSTRAP: no service knows this variable; "
        "did you mean HOOKLANE_KAFKA__BOOTSTRAP_SERVERS?",
        "shop: HOOKLANE_TOPICS__PARTITIONS: should be a valid integer, "
        "unable to parse string as an integer",
        "shop: HOOKLANE_SHOP__ROOT_KEY: must have a length of at least 8",
    ]


async def test_the_version_is_printed(start: Start) -> None:
    """As every command does."""
    code, out, _ = await _end(await start("--version"))

    assert code == 0
    assert out.startswith("hooklane ")


async def test_an_unknown_option_is_a_usage_error(start: Start) -> None:
    """There is no second way to set things."""
    assert (await _end(await start("--port", "1")))[0] == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_service_in_order(start: Start, number: signal.Signals) -> None:
    """Exit 0, nothing on stderr."""
    process = await start()
    await _wait_for(process, "process.ready")

    process.send_signal(number)

    code, out, err = await _end(process)
    assert (code, err) == (0, "")
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert events == ["process.stopping", "process.ended"]


async def test_a_signal_while_it_is_built_ends_it_in_order(start: Start) -> None:
    """From its first line on it is ended with 0, before it was ever ready."""
    code, out, err = await _end(await start(HOOKLANE_SHOP__FAULT="signal_build"))

    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert events == ["process.starting", "process.stopping", "process.ended"]


async def test_a_signal_while_it_waits_for_its_broker_ends_it(start: Start) -> None:
    """No grace period is spent on something that never started."""
    process = await start(HOOKLANE_SHOP__FAULT="wait")
    await _wait_for(process, "shop.waiting")

    process.terminate()

    assert (await _end(process))[0] == 0


@pytest.mark.parametrize("fault", ["hang", "block"])
async def test_a_second_signal_ends_it_at_once(start: Start, fault: str) -> None:
    """Also when the drain blocks the event loop."""
    process = await start(HOOKLANE_SHOP__FAULT=fault)
    await _wait_for(process, "process.ready")
    process.terminate()
    await _wait_for(process, "process.stopping")

    process.terminate()

    assert (await _end(process))[0] == -signal.SIGTERM


@pytest.mark.parametrize("fault", ["refuse", "refuse_build"])
async def test_a_refusal_says_what_to_do(start: Start, fault: str) -> None:
    """Exit 4 and one line, without a traceback."""
    code, out, err = await _end(await start(HOOKLANE_SHOP__FAULT=fault))

    lines = [json.loads(line) for line in out.splitlines()]
    [refused] = [line for line in lines if line["level"] == "error"]
    assert (code, err) == (4, "")
    assert refused["event"] == "process.refused"
    assert "run `hooklane" in refused["reason"] or "install" in refused["reason"]
    assert "exception" not in refused


async def test_a_crash_ends_it_with_one_line(start: Start) -> None:
    """Exit 1; the orchestrator starts it again."""
    code, out, err = await _end(await start(HOOKLANE_SHOP__FAULT="crash"))

    lines = [json.loads(line) for line in out.splitlines()]
    [crashed] = [line for line in lines if line["level"] == "error"]
    assert (code, err) == (1, "")
    assert crashed["event"] == "process.crashed"
    assert crashed["error"] == "ValueError: the shop is broken"
