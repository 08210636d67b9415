"""`hooklane dev` as a user starts it: it brings up, shows one delivery, takes all down."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hooklane import surroundings
from tests.conftest import Broker
from tests.integration.test_embedded_kafka import is_alive, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@contextmanager
def dev(*arguments: str, log: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start `hooklane dev` on free ports; what it says on stderr goes to `log`."""
    environment = {k: v for k, v in surroundings.environ().items() if "HOOKLANE" not in k}
    with (
        log.open("w") as sink,
        subprocess.Popen(
            [sys.executable, "-m", "hooklane", "dev", "--port", "0", *arguments],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def read_until(process: subprocess.Popen[str], mark: str) -> str:
    """Read its standard output up to a line that holds the mark."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if mark in line:
            return text
    raise AssertionError(f"ended without {mark!r}: {text}")


def children_of(pid: int) -> list[int]:
    """Give the processes that this one started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("needs /proc")
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def test_once_shows_a_verified_delivery_and_ends(tmp_path: Path) -> None:
    """With a Kafka of its own: exit 0, the delivery is on stdout, only progress on stderr."""
    log = tmp_path / "stderr"
    with dev("--once", log=log) as process:
        output, _ = process.communicate()

    assert process.returncode == 0, log.read_text()
    assert re.search(r"signature +verified", output)
    assert '{"amount":4200}' in output.replace(" ", "")
    assert "webhook-id" in output
    assert "Traceback" not in log.read_text()


def test_it_stays_up_until_ctrl_c_and_leaves_nothing(kafka: Broker, tmp_path: Path) -> None:
    """On an outside Kafka: up with a curl to paste, then SIGINT ends every child; exit 0."""
    log = tmp_path / "stderr"
    outside = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    with dev(log=log, **outside) as process:
        text = read_until(process, "curl")
        children = children_of(process.pid)
        folder = re.search(r"logs +(\S+)", text)

        process.send_signal(signal.SIGINT)
        code = process.wait()

    assert code == 0, log.read_text()
    assert len(children) >= 3
    assert not any(is_alive(child) for child in children)
    assert folder is not None
    assert not Path(folder.group(1)).exists()


def test_a_curl_from_the_screen_works(kafka: Broker, tmp_path: Path) -> None:
    """What is printed to be pasted gets a 202 and a second verified delivery."""
    if shutil.which("curl") is None and not surroundings.environ().get("CI"):
        pytest.skip("needs curl, which the printed command calls: install it to run this test")
    outside = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    with dev(log=tmp_path / "stderr", **outside) as process:
        text = read_until(process, "-d '")
        command = text[text.rindex("curl") :]

        pasted = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert '"evt_' in pasted.stdout, pasted
        arrived = read_until(process, "body")

    assert re.search(r"signature +verified", arrived)


def test_nothing_outlives_a_killed_parent(kafka: Broker, tmp_path: Path) -> None:
    """Kill -9 of `hooklane dev` ends the services too."""
    outside = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    with dev(log=tmp_path / "stderr", **outside) as process:
        read_until(process, "curl")
        children = children_of(process.pid)

        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        wait_until(lambda: not any(is_alive(child) for child in children))
