"""The commands of producers and operators against a real gateway on a real Kafka."""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.e2e.conftest import stack as stack_fixture
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

stack = stack_fixture
FILE = """
owner: billing
subscriptions:
  - subscriber: acme
    name: invoices
    url: https://example.com/hooks
    event_types: ["invoice.*"]
    secret: {env: ACME_SECRET}
    headers: {authorization: {env: ACME_TOKEN}}
  - subscriber: acme
    name: orders
    url: https://example.com/orders
    headers: {x-tenant: acme}
    retry: {schedule_s: [1, 2.5], max_age_s: 3600}
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def gateway(stack: Stack) -> Stack:
    """Run the gateway of one stack, which is all that these commands need."""
    await stack.start("gateway")
    return stack


def client(stack: Stack, **variables: str) -> dict[str, str]:
    """Give the variables of a client."""
    url = f"http://127.0.0.1:{stack.gateway_port}"
    return {"HOOKLANE_URL": url, "HOOKLANE_KEY": stack.root_key, **variables}


async def test_events_are_sent_and_judged(gateway: Stack, tmp_path: Path) -> None:
    """From flags and from a file; then `check-producer` finds nothing wrong with them."""
    file = tmp_path / "events.ndjson"
    file.write_text('{"subscriber":"acme","type":"a"}\n{"subscriber":"acme"}\n')

    one = await gateway.command(
        "events", "send", "--subscriber", "acme", "--type", "order.paid",
        "--data", '{"n":12345678901234567890123}', **client(gateway),
    )  # fmt: skip
    many = await gateway.command("events", "send", "-f", str(file), **client(gateway))
    bad = await gateway.command(
        "events", "send", "--subscriber", "$x", "--type", "t", **client(gateway)
    )
    checked = await gateway.command("check-producer")

    assert one[0] == 0, one
    assert "evt_" in one[1]
    assert many[0] == 4
    assert "/type: this field is required" in many[1]
    assert bad[0] == 4
    assert "/subscriber: " in bad[1]
    assert checked[0] == 0
    assert checked[1].count(" ok\n") == 2


async def test_subscriptions_are_kept_by_a_file(gateway: Stack, tmp_path: Path) -> None:
    """Created, found unchanged, changed by hand and turned back; API-made ones stay."""
    file = tmp_path / "subs.yaml"
    file.write_text(FILE)
    theirs = await gateway.subscribe("acme", "https://example.com/theirs")
    variables = client(gateway, ACME_SECRET=SECRET, ACME_TOKEN="t1")

    async def apply(*arguments: str, **changed: str) -> tuple[int, str]:
        return await gateway.command(
            "subscriptions", "apply", "-f", str(file), *arguments, **{**variables, **changed}
        )

    created, unchanged = await apply(), await apply()
    listed = await gateway.command("subscriptions", "list", "--subscriber", "acme", **variables)
    invoices = next(line.split()[1] for line in listed[1].splitlines() if "/invoices" in line)
    path = f"/v1/subscribers/acme/subscriptions/{invoices}"
    await gateway.api("PATCH", path, json={"event_types": ["*"], "timeout_s": 3})
    drifted, token = await apply("--dry-run"), await apply(ACME_TOKEN="t2")
    after = await apply(ACME_TOKEN="t2")
    _, shown = await gateway.api("GET", path)
    status, _ = await gateway.api("GET", f"/v1/subscribers/acme/subscriptions/{theirs['id']}")

    assert created[0] == 0, created
    assert "2 of 2 changes made" in created[1]
    assert "= 2 unchanged" in unchanged[1]
    assert 'event_types: ["*"] -> ["invoice.*"]' in drifted[1]
    assert "timeout_s: 3 -> 15" in drifted[1]
    assert "headers.authorization: *** -> ***" in token[1]
    assert "= 2 unchanged" in after[1]
    assert (shown["event_types"], shown["timeout_s"]) == (["invoice.*"], 15)
    assert status == 200
    assert not any(word in text for word in (SECRET, "t1", "t2") for _, text in (created, token))


async def test_prune_rotate_and_list_all(gateway: Stack, tmp_path: Path) -> None:
    """What needs `/v1/subscribers` and `rotate-secret`."""
    await _needs(gateway, "/v1/subscribers")
    file = tmp_path / "subs.yaml"
    file.write_text(FILE)
    theirs = await gateway.subscribe("other", "https://example.com/theirs")
    variables = client(gateway, ACME_SECRET=SECRET, ACME_TOKEN="t1")
    apply = ("subscriptions", "apply", "-f", str(file), "-o", "json")
    await gateway.command(*apply, **variables)
    new_secret = "whsec_" + "QUJD" * 8

    rotated = await gateway.command(*apply, **variables | {"ACME_SECRET": new_secret})
    file.write_text("owner: billing\nsubscriptions: []\n")
    pruned = await gateway.command(*apply, "--prune", **variables)
    listed = await gateway.command("subscriptions", "list", "-o", "json", **variables)

    assert rotated[0] == 0, rotated
    assert pruned[0] == 0, pruned
    assert pruned[1].count('"delete"') == 2
    assert [one["id"] for one in json.loads(listed[1])] == [theirs["id"]]


async def test_what_is_listened_to_is_taken_and_nothing_is_left(gateway: Stack) -> None:
    """The subscription is there as long as the command runs, and leads to where it listens."""
    path = "/v1/subscribers/acme/subscriptions"
    variables = gateway.environment | client(gateway, WEBHOOK_SECRET=SECRET)
    now = datetime.now(UTC)  # noqa: TID251 - the command has its own clock
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, "{}"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hooklane", "listen", "--subscriber", "acme", "-o", "json",
        env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while b"Ctrl-C ends it" not in (line := await process.stderr.readline()):
                assert line, "it ended before it listened"
            _, meanwhile = await gateway.api("GET", path)
            async with gateway.session.post(
                meanwhile["items"][0]["url"], data=b"{}", headers=headers
            ) as answer:
                row = json.loads(await process.stdout.readline())
            process.send_signal(signal.SIGINT)
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    _, afterwards = await gateway.api("GET", path)

    assert (answer.status, row["verified"], row["body"]) == (204, True, "{}")
    assert (process.returncode, afterwards["items"]) == (0, [])


async def test_keys_live_and_die(gateway: Stack) -> None:
    """A key that may only send events sends, may nothing else, and is revoked."""
    await _needs(gateway, "/v1/keys")
    root = client(gateway)

    made = await gateway.command(
        "keys", "create", "--name", "shop", "--scope", "events:write", "-o", "json", **root
    )
    key = json.loads(made[1])
    own = root | {"HOOKLANE_KEY": key["key"]}
    event = ("events", "send", "--subscriber", "acme", "--type", "t")
    sent = await gateway.command(*event, **own)
    forbidden = await gateway.command("keys", "list", **own)
    listed = await gateway.command("keys", "list", **root)
    revoked = await gateway.command("keys", "revoke", key["id"], **root)
    again = await gateway.command("keys", "revoke", key["id"], **root)

    assert (sent[0], forbidden[0], listed[0], revoked[0]) == (0, 1, 0, 0)
    assert key["id"] in listed[1]
    assert key["key"] not in listed[1]
    assert again[0] in {0, 3}


async def _needs(gateway: Stack, path: str) -> None:
    status, _ = await gateway.api("GET", path)
    if status == 404:
        pytest.skip(f"this gateway has no {path} yet")
