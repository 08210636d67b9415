"""One line per event, and nothing in it that must not be."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from io import BytesIO

import orjson
import pytest
import structlog
from pydantic import SecretStr

from chassis import logs
from chassis.settings import LogSettings
from tests.fakes.clock import ManualClock

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Configure JSON logs at debug into memory; give what was written so far."""
    stream = BytesIO()
    logs.configure(
        LogSettings(level="debug"), "shop", stream=stream, clock=ManualClock(1_700_000_000_005)
    )
    yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]
    _restore()


def _restore() -> None:
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root = logging.getLogger()
    for handler in [h for h in root.handlers if type(h).__module__ == "chassis.logs"]:
        root.removeHandler(handler)


def test_a_line_is_one_object_with_the_fixed_fields_first(lines: Lines) -> None:
    """Time is RFC 3339 in UTC with milliseconds."""
    logs.get("worker").info("worker.attempt_failed", status=503, webhook_id="msg_1")

    [line] = lines()
    assert list(line.items()) == [
        ("ts", "2023-11-14T22:13:20.005Z"),
        ("level", "info"),
        ("event", "worker.attempt_failed"),
        ("service", "shop"),
        ("component", "worker"),
        ("status", 503),
        ("webhook_id", "msg_1"),
    ]


def test_lines_below_the_level_are_not_written() -> None:
    """The default hides debug."""
    stream = BytesIO()
    logs.configure(LogSettings(level="warning"), "shop", stream=stream)

    logs.get("worker").info("worker.quiet")
    logs.get("worker").warning("worker.loud")

    _restore()
    assert b"worker.quiet" not in stream.getvalue()
    assert b"worker.loud" in stream.getvalue()


@pytest.mark.parametrize(
    "name",
    ["secret", "body", "Authorization".lower(), "request_body", "api_key", "response", "headers"],
)
def test_fields_named_like_secrets_or_payloads_are_blanked(lines: Lines, name: str) -> None:
    """A careless call makes a poor line, not a leak."""
    logs.get("w").info(
        "w.x", **{name: "hunter2"}, nested={name: "hunter2"}, deep=[{name: "hunter2"}]
    )

    [line] = lines()
    assert "hunter2" not in str(line)
    assert line[name] == "[redacted]"


def test_sizes_and_counts_are_not_secrets(lines: Lines) -> None:
    """`body_bytes` and numbers stay readable."""
    logs.get("w").info("w.x", body_bytes=12, data=3)

    [line] = lines()
    assert (line["body_bytes"], line["data"]) == (12, 3)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:hunter2@x.example/p?q=hunter2#f", "https://x.example/p"),
        ("failed: https://x.example?token=hunter2 twice", "failed: https://x.example twice"),
        ("secret whsec_aGVsbG9oZWxsbw== used", "secret whsec_[redacted] used"),
        ("key Bearer abcdefghijkl", "key Bearer [redacted]"),
        ("plain text? yes", "plain text? yes"),
    ],
)
def test_text_loses_credentials_and_queries(lines: Lines, text: str, shown: str) -> None:
    """URLs keep scheme, host and path only."""
    logs.get("w").info("w.x", detail=text)

    assert lines()[0]["detail"] == shown


def test_only_plain_values_are_written(lines: Lines) -> None:
    """Objects show their type, bytes their length, long text is cut, long lists too."""
    logs.get("w").info(
        "w.x",
        raw=b"hunter2",
        masked=SecretStr("hunter2"),
        long="x" * 5000,
        many=list(range(100)),
        nothing=None,
        failure=ValueError("no"),
    )

    [line] = lines()
    assert line["raw"] == "<7 bytes>"
    assert line["masked"] == "<SecretStr>"
    assert line["long"] == "x" * 2048 + "…"
    assert line["many"] == list(range(50))
    assert line["nothing"] is None
    assert line["failure"] == "ValueError: no"


def test_a_lone_surrogate_does_not_lose_the_line(lines: Lines) -> None:
    """Text from outside may not be encodable; the line is written all the same."""
    logs.get("w").info("w.x", detail="a\ud800b", big=2**70)

    assert lines()[0]["event"] == "w.x"


def test_a_traceback_is_part_of_the_line(lines: Lines) -> None:
    """One event, one line, also when it has a stack."""
    try:
        int("https://x.example/?hunter2")
    except ValueError:
        logs.get("w").exception("w.broke")

    [line] = lines()
    assert "ValueError" in str(line["exception"])
    assert "hunter2" not in str(line)


def test_libraries_speak_through_the_same_form(lines: Lines) -> None:
    """Warnings of aiokafka become JSON, its chatter is dropped."""
    logging.getLogger("aiokafka.conn").info("chatter")
    logging.getLogger("aiokafka.conn").warning("lost %s", "https://u:hunter2@kafka/")

    [line] = lines()
    assert line["event"] == "library.log"
    assert line["level"] == "warning"
    assert line["component"] == "aiokafka.conn"
    assert line["message"] == "lost https://kafka/"


def test_a_library_that_floods_is_bounded() -> None:
    """One complaint a thousand times is ten lines, and the next stretch says how many were not."""
    stream, clock = BytesIO(), ManualClock()
    logs.configure(LogSettings(), "shop", stream=stream, clock=clock)
    for _ in range(1000):
        logging.getLogger("aiokafka.cluster").error("Topic %s not found", "t")
    logging.getLogger("aiokafka.cluster").error("another thing")
    clock.advance(logs.LIBRARY_WINDOW_S)
    logging.getLogger("aiokafka.cluster").error("Topic %s not found", "u")
    _restore()

    written = [orjson.loads(line) for line in stream.getvalue().splitlines()]

    assert [line["message"] for line in written].count("Topic t not found") == 10
    assert written[-2]["message"] == "another thing"
    assert (written[-1]["message"], written[-1]["kept_back"]) == ("Topic u not found", 990)


async def test_asyncio_faults_are_logged_with_their_stack(lines: Lines) -> None:
    """A fault nobody awaited must not vanish."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": ValueError("x")}
    )

    [line] = lines()
    assert line["level"] == "error"
    assert "ValueError: x" in str(line["exception"])


def test_configuring_twice_does_not_double_the_lines(lines: Lines) -> None:
    """The handler of the standard library is replaced."""
    stream = BytesIO()
    logs.configure(LogSettings(), "shop", stream=stream)

    logging.getLogger("aiohttp").error("once")

    assert stream.getvalue().count(b"once") == 1
    assert lines() == []


def test_the_console_form_is_for_people() -> None:
    """No JSON; event and fields are still there, and secrets still are not."""
    stream = BytesIO()
    logs.configure(LogSettings(format="console"), "shop", stream=stream)

    logs.get("w").info("w.x", status=503, secret="hunter2")

    _restore()
    text = stream.getvalue().decode()
    assert "w.x" in text
    assert "503" in text
    assert "hunter2" not in text
