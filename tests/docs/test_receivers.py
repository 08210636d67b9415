"""The programs of docs/receivers.md against real deliveries of a real stack."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.docs.programs import command_of, environment_of, run
from tests.docs.snippets import extracted
from tests.e2e.conftest import receiver as receiver_fixture
from tests.e2e.conftest import stack as stack_fixture
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack, eventually
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

stack = stack_fixture
receiver = receiver_fixture
SERVERS = ("examples/receivers/receiver.py", "examples/receivers/receiver.mjs")
FUNCTIONS = ("examples/receivers/verify_v1a.py", "examples/receivers/verify_v1a.mjs")
PROGRAMS = SERVERS + FUNCTIONS
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DRIVERS = {
    ".py": """
import json, sys
from verify_v1a import is_ours
for key, headers, body in json.load(sys.stdin):
    print(str(is_ours(key, headers, body.encode())).lower())
""",
    ".mjs": """
import { readFileSync } from "node:fs";
import { isOurs } from "./verify_v1a.mjs";
for (const [key, headers, body] of JSON.parse(readFileSync(0))) {
  console.log(isOurs(key, headers, Buffer.from(body)));
}
""",
}


@asynccontextmanager
async def serving(program: Path, port: int, log: Path) -> AsyncIterator[None]:
    """Run a receiver until the end of the block; it listens when this yields."""
    command = await asyncio.to_thread(command_of, program)
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment_of(PORT=str(port), WEBHOOK_SECRET=SECRET),
            stdout=sink,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Node of a wheel is a child of a script that passes nothing on
        )
    try:
        await eventually(lambda: _listens(port), within_s=30, what=f"{program.name} listens")
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.parametrize("path", SERVERS)
async def test_a_receiver_takes_a_real_delivery_once(
    path: str, stack: Stack, tmp_path: Path
) -> None:
    """Verified and shown once, though sent again; also one without data; a forgery is 401."""
    await stack.start()
    port, log = free_port(), tmp_path / "log"
    async with serving(extracted(path, tmp_path), port, log):
        url = f"http://127.0.0.1:{port}/hooks"
        await stack.subscribe("acme", url, secret=SECRET)
        for fresh in ("1", "1", "2"):
            await stack.publish("acme", {"n": fresh}, id=fresh)
        empty = {"subscriber": "acme", "type": "order.paid"}
        assert (await stack.api("POST", "/v1/events", json=empty))[0] == 202

        async def has_all() -> bool:
            return log.read_text().count("order.paid") >= 3

        await eventually(has_all, within_s=30, what="three events in the receiver's output")
        forged = {
            "webhook-id": "msg_x",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=b"{}", headers=forged) as answer,
        ):
            status = answer.status

    assert status == 401
    assert log.read_text().count("order.paid") == 3


async def test_a_public_key_is_enough(stack: Stack, receiver: Receiver, tmp_path: Path) -> None:
    """A v1a delivery verifies with the public key; changed in one byte, or old, it does not."""
    await stack.start()
    created = await stack.subscribe("acme", receiver.url("a"), signature="v1a")
    secret_path = f"/v1/subscribers/acme/subscriptions/{created['id']}/secret"
    _, secrets = await stack.api("GET", secret_path)
    await stack.publish("acme", {"n": 1})
    await receiver.until(lambda: bool(receiver.at("a")), within_s=30)
    (delivery,) = receiver.at("a")
    body, key = delivery.body.decode(), secrets["public_key"]
    old = {**delivery.headers, "webhook-timestamp": "1614265330"}
    cases = [
        (key, delivery.headers, body),
        (key, delivery.headers, body.replace("1", "2")),
        (key, old, body),
        (key, {}, body),
        ("whpk_" + "A" * 43 + "=", delivery.headers, body),
    ]

    for path in FUNCTIONS:
        program = extracted(path, tmp_path)
        driver = tmp_path / f"driver{program.suffix}"
        driver.write_text(DRIVERS[program.suffix])

        code, said = await run(driver, json.dumps(cases))

        assert code == 0, said
        assert said.split() == ["true", "false", "false", "false", "false"]
