"""What `helm test` runs in the image: post an event, and with ECHO_HOST receive its webhook.

Reads HOOKLANE_URL, HOOKLANE_KEY, TIMEOUT_S and, when the deliverer may reach this pod, ECHO_HOST.
Standard library only. Exit 0 = works; else one line says what does not.
"""
# ruff: noqa: D101, D102, D103, T201, TID251 - a script of its own: standard library, no project

import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

URL = os.environ["HOOKLANE_URL"].rstrip("/")
KEY = os.environ["HOOKLANE_KEY"]
ECHO_HOST = os.environ.get("ECHO_HOST", "")
ECHO_PORT = int(os.environ.get("ECHO_PORT", "8090"))
DEADLINE = time.monotonic() + float(os.environ.get("TIMEOUT_S", "60"))
SUBSCRIBER = "helm-test"


def call(method, path, body=None, key=KEY):
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = "Bearer " + key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")[:500]
    except OSError as error:
        return 0, f"{URL} does not answer: {error}"


def until(wanted, step):
    while True:
        status, answer = step()
        if status == wanted:
            return answer
        if status not in (0, 429, 502, 503, 504) or time.monotonic() > DEADLINE:
            sys.exit(f"expected {wanted}, got {status}: {answer}")
        time.sleep(1)


class Echo(BaseHTTPRequestHandler):
    received = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(204)
        self.end_headers()
        if self.headers.get("webhook-id"):
            Echo.received.set()

    def log_message(self, *arguments):
        pass


def event(key=KEY):
    body = {"subscriber": SUBSCRIBER, "type": "hooklane.helm-test", "data": {}}
    return call("POST", "/v1/events", body, key)


def main():
    until(401, lambda: event(key=""))
    print("the API asks for a key")
    if not ECHO_HOST:
        print("event accepted:", until(202, event)["webhook_id"])
        return
    if ":" in ECHO_HOST:
        HTTPServer.address_family = socket.AF_INET6
    server = HTTPServer(("", ECHO_PORT), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"[{ECHO_HOST}]" if ":" in ECHO_HOST else ECHO_HOST
    place = f"/v1/subscribers/{SUBSCRIBER}/subscriptions"
    made = until(201, lambda: call("POST", place, {"url": f"http://{host}:{server.server_port}/"}))
    try:
        print("event accepted:", until(202, event)["webhook_id"])
        if not Echo.received.wait(max(DEADLINE - time.monotonic(), 1)):
            sys.exit(
                "the event was accepted, but no webhook came; see the logs of fanout and deliverer"
            )
        print("webhook received")
    finally:
        call("DELETE", f"{place}/{made['id']}")


main()
