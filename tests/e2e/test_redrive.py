"""What was given up, or delivered long ago, comes again when an operator wants it."""

import json

import pytest

from tests.e2e.order import read_dead
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


async def _letters(stack: Stack) -> list[dict[str, object]]:
    code, printed = await stack.command("dead-letters", "list", "-o", "json")
    assert code == 0, printed
    listed: list[dict[str, object]] = json.loads(printed[: printed.rindex("]") + 1])
    return listed


async def test_dead_letters_are_redriven_and_deliveries_replayed(
    stack: Stack, receiver: Receiver
) -> None:
    """To their own subscription only, with the old id, marked, in their old order."""
    is_well = False
    receiver.answers["hooks"] = lambda _: 204 if is_well else 500
    await stack.start()
    hooks = await stack.subscribe("acme", receiver.url("hooks"), retry={"schedule_s": []})
    await stack.subscribe("acme", receiver.url("others"))
    sent = [(await stack.publish("acme", {"n": n}))["webhook_id"] for n in range(3)]

    async def are_dead() -> bool:
        return len(await read_dead(stack)) == 3

    await eventually(are_dead, within_s=60, what="three dead letters", every_s=0.5)
    newest, *older = await _letters(stack)
    assert len(older) == 2
    code, shown = await stack.command("dead-letters", "show", str(newest["place"]))
    assert code == 0, shown
    described = json.loads(shown)
    assert (described["data"], described["last_status"]) == ('{"n": 2}', 500)
    dry = await stack.command("dead-letters", "redrive", "--since", "1h", "--dry-run")
    missed = await stack.command("dead-letters", "redrive", "--subscription", "sub_none")
    assert (dry[0], missed[0]) == (0, 3), (dry, missed)

    is_well = True
    code, printed = await stack.command("dead-letters", "redrive", "--subscription", hooks["id"])
    assert code == 0, printed
    await receiver.until(lambda: len(receiver.accepted("hooks")) == 3, within_s=40)
    code, printed = await stack.command("replay", "--subscription", hooks["id"], "--since", "1h")
    assert code == 0, printed
    await receiver.until(lambda: len(receiver.accepted("hooks")) == 6, within_s=40)

    assert receiver.accepted("hooks") == sent * 2
    again = [one for one in receiver.at("hooks") if one.is_accepted]
    assert {one.headers["webhook-replay"] for one in again} == {"true"}
    sequences = [one.sequence for one in again]
    assert sequences == sorted(sequences)
    assert receiver.accepted("others") == sent
