"""One real Apache Kafka node (KRaft) for development and tests.

Java process of our own, on free loopback ports, with its log and data in a folder that is
removed at the end unless asked to keep. Blocking by design: call it outside the event loop, or
through `asyncio.to_thread` in a fault test. A Guard ends it when this process dies hard.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hooklane import broker_log, kafka_archive, surroundings
from hooklane.broker_probe import NotYet, probe
from hooklane.guard import Guard
from hooklane.java import JavaMissing, find_java
from hooklane.kafka_jars import JarsMissing, classpath
from hooklane.kafka_properties import HOST, Place, free_ports, server_properties

PROPERTIES = "server.properties"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 15.0
PROBE_TIMEOUT_S = 5.0
PROBE_PAUSE_S = 0.1
LOG_BYTES_MAX = 1024 * 1024
PORT_TRIES = 3
HEAP_MIB = 512
JAVA_OPTIONS = ("-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
SIMPLE_LOGGER = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
)


class EmbeddedKafkaError(Exception):
    """The node cannot run; the first line of the message says why, and what to do."""


class _PortTaken(EmbeddedKafkaError):
    """Another program took the port between choosing and binding."""


def report_to_stderr(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


class EmbeddedKafka:
    """The node and its process; port and data stay the same over restarts."""

    def __init__(
        self,
        *,
        folder: Path | None = None,
        keep: bool = False,
        extra: Mapping[str, str] | None = None,
        place: Place | None = None,
        heap_mib: int = HEAP_MIB,
        java_options: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        report: Callable[[str], None] = report_to_stderr,
        monotonic: Callable[[], float] = time.monotonic,
        draw_ports: Callable[[int], list[int]] = free_ports,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """Nothing runs yet; `extra` overrides server properties.

        `place` makes it one of a cluster, whose nodes wait for each other: start them in parallel.
        """
        self._given_folder = folder
        self._keep = keep
        self._place = place
        self._heap_mib = heap_mib
        self._java_options = tuple(java_options)
        self._extra = ({} if place is None else place.properties()) | dict(extra or {})
        self._variables = surroundings.environ() if variables is None else variables
        self._report = report
        self._monotonic = monotonic
        self._draw_ports = draw_ports
        self._start_timeout_s = start_timeout_s
        self._guard = Guard()
        self._folder: Path | None = None
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._command: list[str] = []
        self._log_start = 0

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"{HOST}:{self._port}"

    @property
    def folder(self) -> Path:
        """Where data, server.properties and kafka.log are."""
        if self._folder is None:
            raise EmbeddedKafkaError("the embedded Kafka was not started")
        return self._folder

    @property
    def log_path(self) -> Path:
        """The broker's log."""
        return self.folder / "kafka.log"

    @property
    def pid(self) -> int | None:
        """Process id while a process is there."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is alive (a paused one is)."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the node and wait until it serves transactions.

        The first start formats the storage, unless the given folder was kept by an earlier node.
        A port taken by another program between choosing and binding is chosen again.
        """
        if self.is_running:
            return
        if self._folder is None:
            self._prepare_folder()
            if not self._is_kept_folder():
                self._start_new()
                return
        self._launch()

    def _start_new(self) -> None:
        for attempt in range(1, PORT_TRIES + 1):
            try:
                self._format()
                self._launch()
            except _PortTaken:
                if attempt == PORT_TRIES:
                    self.close()
                    raise
            except BaseException:
                self.close()
                raise
            else:
                return

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ask the process to end (SIGTERM), kill it after the bound; data stays."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self.resume()
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._report("the embedded Kafka did not stop in time and is killed")
                process.kill()
        self._reap(process)

    def kill(self) -> None:
        """End the process as a power cut would (SIGKILL); data stays."""
        if self._process is not None:
            self._process.kill()
            self._reap(self._process)

    def restart(self) -> None:
        """Stop cleanly and start on the same port and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open, nothing answers.

        Returns when all of its threads stand: on a busy machine some answer for a while.
        """
        self._signal(signal.SIGSTOP)
        if self._process is not None and self.is_running and hasattr(os, "waitid"):
            states = os.WSTOPPED | os.WEXITED | os.WNOWAIT
            os.waitid(os.P_PID, self._process.pid, states)

    def resume(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop and remove the folder, unless it was asked to keep."""
        self.stop()
        if self._folder is not None and not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._guard.forget_folder(self._folder)
        self._folder = None
        self._guard.close()

    def log_evidence(self) -> str:
        """Return what this start's log tells about faults, and its last lines."""
        return broker_log.evidence(self._log_of_start())

    def _log_of_start(self) -> str:
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(self._log_start, self.log_path.stat().st_size - LOG_BYTES_MAX))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def _prepare_folder(self) -> None:
        try:
            java = find_java(self._variables, self._report)
            jars = classpath(self._variables, self._report)
        except (JavaMissing, JarsMissing) as error:
            raise EmbeddedKafkaError(str(error)) from error
        if self._given_folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="hooklane-kafka-"))
        else:
            self._given_folder.mkdir(parents=True, exist_ok=True)
            self._folder = self._given_folder
        if not self._keep:
            self._guard.watch_folder(self._folder)
        logging = (*SIMPLE_LOGGER, *_log4j_options(self._variables, self._folder))
        archive = kafka_archive.path_of(surroundings.cache_dir(self._variables), java, jars)
        self._command = [str(java), f"-Xmx{self._heap_mib}m", *JAVA_OPTIONS, *logging]
        self._command += [*kafka_archive.use_options(archive), "-cp", jars]

    def _is_kept_folder(self) -> bool:
        """Take the port of a folder that was kept; False when there is nothing in it."""
        try:
            text = (self.folder / PROPERTIES).read_text(encoding="utf-8")
        except FileNotFoundError:
            return False
        found = re.search(r"^advertised\.listeners=.*:(\d+)$", text, re.MULTILINE)
        if found is None or not (self.folder / "data" / "meta.properties").exists():
            return False
        self._port = int(found.group(1))
        return True

    def _format(self) -> None:
        try:
            self._port, controller_port = self._draw_ports(2)
        except OSError as error:
            raise EmbeddedKafkaError(f"no port for the embedded Kafka: {error}") from error
        if self._place is not None:
            self._port = self._place.port
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        properties = server_properties(
            data=data, port=self._port, controller_port=controller_port, extra=self._extra
        )
        config = self.folder / PROPERTIES
        config.write_text("".join(f"{k}={v}\n" for k, v in properties.items()), encoding="utf-8")
        cluster = "aG9va2xhbmUtZGV2LTEyMw"  # any 16 bytes in base64
        arguments = ["kafka.tools.StorageTool", "format", "-t", cluster]
        arguments += ["--standalone"] if self._place is None else []
        try:
            done = subprocess.run(
                [*self._command, *arguments, "-c", str(config)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._start_timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedKafkaError(f"Java could not format Kafka's storage: {error}") from error
        if done.returncode:
            tail = done.stdout.decode(errors="replace")[-2000:]
            raise EmbeddedKafkaError(f"Kafka's storage could not be formatted:\n{tail}")

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*self._command, *self._java_options, "kafka.Kafka", str(self.folder / PROPERTIES)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is ours to handle, in our order
            )
        self._guard.watch(self._process.pid)
        try:
            self._wait_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = self._monotonic() + self._start_timeout_s
        state = NotYet("not asked yet")
        while self._monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(PROBE_PAUSE_S)
                raise self._death(code)
            answer = probe(HOST, self._port, timeout_s=PROBE_TIMEOUT_S)
            if answer is None:
                return
            state = answer
        raise EmbeddedKafkaError(
            f"the embedded Kafka was not ready within {self._start_timeout_s:g} s "
            f"({state.reason}); from its log:\n{self.log_evidence()}"
        )

    def _death(self, code: int) -> EmbeddedKafkaError:
        kind = EmbeddedKafkaError
        if broker_log.is_port_taken(self._log_of_start()):
            kind = _PortTaken
        text = f"the embedded Kafka ended at its start (exit {code}); from its log:"
        return kind(f"{text}\n{self.log_evidence()}")

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        process.wait(STOP_TIMEOUT_S)
        self._guard.forget(process.pid)
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running and self._process is not None:
            os.kill(self._process.pid, number)


def _log4j_options(variables: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Return what a KAFKA_HOME's own logging needs; our jars log through slf4j-simple."""
    config = Path(variables.get("KAFKA_HOME", "")) / "config" / "log4j2.yaml"
    options = (f"-Dkafka.logs.dir={folder / 'logs'}", f"-Dlog4j2.configurationFile={config}")
    return options if variables.get("KAFKA_HOME") and config.is_file() else ()


def main() -> int:
    """Run one node until Ctrl-C or SIGTERM, to share it between test runs."""
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with EmbeddedKafka() as node:
            print(f"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS={node.bootstrap_servers}", flush=True)
            signal.sigwait(signals)
    except EmbeddedKafkaError as error:
        report_to_stderr(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
