"""The demo itself: one subscription, one event, one verified delivery."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from hooklane.dev.plan import StackPlan
from hooklane.exits import FAILURE, NETWORK, CommandFailed

SUBSCRIBER = "acme"
REQUEST_TIMEOUT_S = 15.0
HTTP_ERROR_MIN = 400
REPEATS_MAX = 4
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Published:
    """What the gateway answered to the event."""

    event_id: str
    webhook_id: str


async def tell(
    plan: StackPlan, *, hook_url: str, secret: str, say: Callable[[str], None]
) -> Published:
    """Register the receiver's URL and publish one event, saying what is done."""
    headers = {"authorization": f"Bearer {plan.root_key}"}
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        path = f"/v1/subscribers/{SUBSCRIBER}/subscriptions"
        wanted = {"url": hook_url, "event_types": ["order.*"], "secret": secret}
        made = await _post(session, plan, path, wanted)
        say(f"-> POST {path}  {hook_url}, order.*")
        say(f"   201 {made.get('id', '')}")
        event = {"subscriber": SUBSCRIBER, "type": "order.paid", "data": {"amount": 4200}}
        accepted = await _post(session, plan, "/v1/events", event)
        say(f"-> POST /v1/events  order.paid for {SUBSCRIBER}")
        place = f"partition {accepted.get('partition')}, offset {accepted.get('offset')}"
        say(f"   202 {accepted.get('id', '')}  in Kafka: {place}")
    return Published(str(accepted.get("id", "")), str(accepted.get("webhook_id", "")))


async def _post(
    session: aiohttp.ClientSession, plan: StackPlan, path: str, body: Mapping[str, object]
) -> Mapping[str, object]:
    """Ask until it is done: on a busy machine a young Kafka may miss the gateway's deadline."""
    for repeats_left in range(REPEATS_MAX, -1, -1):
        try:
            async with session.post(plan.gateway_url + path, json=body) as answer:
                if answer.status < HTTP_ERROR_MIN:
                    decoded: Mapping[str, object] = await answer.json()
                    return decoded
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandFailed(NETWORK, f"POST {path} failed: {type(error).__name__}") from error
        if not repeats_left or not _is_unwritten(answer.status, text):
            break
        await asyncio.sleep(PAUSE_S)
    raise CommandFailed(FAILURE, f"POST {path} answered {answer.status}: {text[:500]}")


def _is_unwritten(status: int, text: str) -> bool:
    """Whether the answer says that nothing was written, so that asking again makes no second."""
    try:
        problem = json.loads(text)
    except ValueError:
        return False
    is_told = isinstance(problem, dict) and problem.get("code") == "unavailable"
    return is_told and status == HTTPStatus.SERVICE_UNAVAILABLE
