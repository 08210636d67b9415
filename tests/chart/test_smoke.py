"""The script of `helm test`, run as the pod runs it, against an API that is played."""

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chart.rendering import CHART, Helm, at, listed, of_kind

SCRIPT = (CHART / "files" / "smoke.py").read_text()
KEY = "a-root-key-of-at-least-32-characters"


class Api(BaseHTTPRequestHandler):
    """Answers like the gateway; sends the webhook itself."""

    calls: list[str]
    url = ""
    is_open = False
    is_silent = False

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        kind = type(self)
        kind.calls.append(f"{self.command} {self.path}")
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
        if self.headers.get("authorization") != f"Bearer {KEY}" and not kind.is_open:
            self._answer(401, {"code": "unauthorized"})
        elif self.path == "/v1/events":
            self._answer(202, {"webhook_id": "msg_1"})
            if kind.url and not kind.is_silent:
                headers = {"webhook-id": "msg_1"}
                request = urllib.request.Request(kind.url, b"{}", headers, method="POST")
                urllib.request.urlopen(request, timeout=5).close()
        elif self.command == "POST":
            kind.url = body["url"]
            self._answer(201, {"id": "sub_1"})
        else:
            self._answer(200, {})

    do_GET = do_POST = do_DELETE = _handle

    def log_message(self, *_arguments: object) -> None:
        """Stay quiet."""


@pytest.fixture
def api() -> Iterator[tuple[str, type[Api]]]:
    """Give the address of a fresh API and its record."""
    kind = type("FreshApi", (Api,), {"calls": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kind
    server.shutdown()
    thread.join()
    server.server_close()


def _run(url: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOOKLANE_URL": url, "HOOKLANE_KEY": KEY, "TIMEOUT_S": "20", **more},
    )


def test_an_accepted_event_is_enough_without_an_echo(api: tuple[str, type[Api]]) -> None:
    """The API asks for a key and takes an event with it."""
    url, record = api

    ended = _run(url)

    assert ended.returncode == 0, ended.stderr
    assert "msg_1" in ended.stdout
    assert record.calls == ["POST /v1/events", "POST /v1/events"]


def test_the_echo_waits_for_the_webhook_and_cleans_up(api: tuple[str, type[Api]]) -> None:
    """The subscription of the test is removed afterwards."""
    url, record = api

    ended = _run(url, ECHO_HOST="127.0.0.1", ECHO_PORT="0")

    assert ended.returncode == 0, ended.stderr
    assert "webhook received" in ended.stdout
    assert record.calls[-1] == "DELETE /v1/subscribers/helm-test/subscriptions/sub_1"


def test_a_webhook_that_never_comes_fails_the_test(api: tuple[str, type[Api]]) -> None:
    """One line says where to look, and the subscription is removed all the same."""
    url, record = api
    record.is_silent = True

    ended = _run(url, ECHO_HOST="127.0.0.1", ECHO_PORT="0", TIMEOUT_S="1")

    assert ended.returncode == 1
    assert "no webhook came" in ended.stderr
    assert record.calls[-1].startswith("DELETE")


def test_an_api_that_asks_for_no_key_fails_the_test(api: tuple[str, type[Api]]) -> None:
    """An open API is the worst thing an installation can be."""
    url, record = api
    record.is_open = True

    ended = _run(url)

    assert ended.returncode == 1
    assert "expected 401, got 202" in ended.stderr


def test_the_pod_runs_this_script(helm: Helm) -> None:
    """The rendered argument is the file, indentation and all; the key comes from the Secret."""
    pod = of_kind(helm.render_with(), "Pod")["r-hooklane-test"]
    container = listed(pod, "spec.containers")[0]
    env = {str(one["name"]): one for one in listed(container, "env")}

    assert container["command"] == ["python", "-c"]
    assert str(container["args"][0]).strip() == SCRIPT.strip()  # type: ignore[index]
    assert env["HOOKLANE_URL"]["value"] == "http://r-hooklane-gateway:80"
    assert at(env["HOOKLANE_KEY"], "valueFrom.secretKeyRef.name") == "hooklane"
