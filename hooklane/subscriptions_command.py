"""`hooklane subscriptions list|apply`."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hooklane.api_client import ApiClient, Target, segment
from hooklane.api_problem import Refused
from hooklane.exits import FAILURE, NETWORK, OK, CommandFailed
from hooklane.output import Form, render, report
from hooklane.subscription_file import Wanted, WantedFile, read_file
from hooklane.subscription_plan import (
    HEADERS_MARK,
    Action,
    Live,
    fingerprint,
    is_secret_needed,
    plan_one,
    plan_prune,
)

COLUMNS: Final = ("subscriber", "id", "url", "event_types", "ordering", "status", "managed")
_SIGNS: Final = {"create": "+", "update": "~", "delete": "-", "keep": "="}


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """Which file, and how far to go."""

    file: str
    is_pruning: bool = False
    is_dry: bool = False


def run_list(variables: Mapping[str, str], subscriber: str | None, form: Form) -> int:
    """Show the subscriptions of one subscriber, or of all."""
    views = asyncio.run(_list(Target.of(variables), subscriber))
    rows = [dict(view) if form == "json" else _row(view) for view in views]
    print(render(rows, COLUMNS, form))
    return OK


async def _list(target: Target, subscriber: str | None) -> list[Mapping[str, object]]:
    async with ApiClient(target) as api:
        names = await _subscribers(api) if subscriber is None else [subscriber]
        return [view for name in names for view in await api.items(_path(name))]


def _row(view: Mapping[str, object]) -> dict[str, object]:
    mark = Live(view).mark
    types = view.get("event_types")
    status = str(view.get("status"))
    reason = view.get("status_reason")
    return {
        **view,
        "event_types": ",".join(map(str, types)) if isinstance(types, list) else "",
        "status": f"{status} ({reason})" if reason else status,
        "managed": "" if mark is None else f"{mark[0]}/{mark[1]}",
    }


def run_apply(variables: Mapping[str, str], options: ApplyOptions, form: Form) -> int:
    """Make the gateway have what the file says; shows each difference first."""
    target = Target.of(variables)
    wanted = read_file(options.file, variables)
    return asyncio.run(_apply(target, wanted, options, form))


async def _apply(target: Target, wanted: WantedFile, options: ApplyOptions, form: Form) -> int:
    async with ApiClient(target) as api:
        actions, orphans = await plan(api, wanted, is_pruning=options.is_pruning)
        print(describe(actions, form))
        for orphan in orphans:
            report(f"not in the file, and left as it is: {orphan.label} (--prune deletes it)")
        if options.is_dry:
            report("nothing was changed (--dry-run)")
            return OK
        failures = await _carry_out(api, actions)
        for failure in failures:
            report(f"hooklane: {failure}")
        changed = sum(action.kind != "keep" for action in actions)
        done = f"{changed - len(failures)} of {changed} changes made"
        report(done if changed else "nothing to change")
        return failures[0].code if failures else OK


async def plan(
    api: ApiClient, wanted: WantedFile, *, is_pruning: bool
) -> tuple[list[Action], list[Action]]:
    """Compare the file with what is there; gives what to do, and what only pruning would do.

    Without pruning only the subscribers of the file are looked at.
    """
    names = dict.fromkeys(one.subscriber for one in wanted.subscriptions)
    if is_pruning:
        names |= dict.fromkeys(await _subscribers(api))
    lives = [Live(view) for name in names for view in await api.items(_path(name))]
    found = _by_mark(lives, wanted.owner)
    actions = []
    for one in wanted.subscriptions:
        live = found.get((one.subscriber, one.name))
        actions.append(plan_one(one, await _with_secret(api, one, live), wanted.owner))
    orphans = plan_prune(wanted.owner, wanted.subscriptions, lives)
    return ([*actions, *orphans], []) if is_pruning else (actions, orphans)


def describe(actions: Sequence[Action], form: Form) -> str:
    """Write the plan: one line per subscription, one per field that differs."""
    if form == "json":
        rows = [_document(action) for action in actions]
        return json.dumps(rows, indent=2, ensure_ascii=False)
    lines = []
    for action in actions:
        if action.kind != "keep" or action.note:
            shown_id = f"  {action.subscription}" if action.subscription else ""
            note = f"  {action.note}" if action.note else ""
            lines.append(f"{_SIGNS[action.kind]} {action.label}  {action.kind}{shown_id}{note}")
        lines += [_line(action, change.field, change.before, change.after)
                  for change in action.changes]  # fmt: skip
    kept = sum(action.kind == "keep" for action in actions)
    return "\n".join([*lines, f"= {kept} unchanged"])


def _line(action: Action, name: str, before: object, after: object) -> str:
    if action.kind == "create":
        return f"    {name}: {_shown(after)}"
    if action.kind == "delete":
        return f"    {name}: {_shown(before)}"
    return f"    {name}: {_shown(before)} -> {_shown(after)}"


def _shown(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> object:
    """Write 5, not 5.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _document(action: Action) -> dict[str, object]:
    return {
        "action": action.kind,
        "subscription": action.label,
        "id": action.subscription,
        "changes": [
            {"field": one.field, "before": _plain(one.before), "after": _plain(one.after)}
            for one in action.changes
        ],
        **({"note": action.note} if action.note else {}),
    }


async def _carry_out(api: ApiClient, actions: Iterable[Action]) -> list[CommandFailed]:
    """Do every action; one that is refused does not keep the others back, a dead network does."""
    failures: list[CommandFailed] = []
    for action in actions:
        if action.kind == "keep":
            continue
        try:
            await _carry_out_one(api, action)
        except CommandFailed as error:
            failures.append(type(error)(*_named(error, action)))
            if error.code == NETWORK:
                break
    return failures


def _named(error: CommandFailed, action: Action) -> tuple[int, str]:
    number = error.status if isinstance(error, Refused) else error.code
    return number, f"{action.label}: {error}"


async def _carry_out_one(api: ApiClient, action: Action) -> None:
    if action.kind == "create":
        await _create(api, action)
        return
    path = f"{_path(action.subscriber)}/{segment(action.subscription)}"
    version = action.version
    if action.kind == "delete":
        await api.send("DELETE", path, if_match=version)
        return
    if action.body:
        changed = await api.send("PATCH", path, action.body, if_match=version)
        version = changed.members.get("version")
    if action.new_secret is not None:
        secret = {"secret": action.new_secret}
        await api.send("POST", path + "/rotate-secret", secret, if_match=version)


async def _create(api: ApiClient, action: Action) -> None:
    """Create; the mark of the headers needs the secret, which the gateway may just have made."""
    made = (await api.send("POST", _path(action.subscriber), action.body)).members
    headers, marks = action.body.get("headers"), action.body.get("metadata")
    secret = made.get("secret")
    is_marked = isinstance(marks, dict) and HEADERS_MARK in marks
    if not isinstance(headers, dict) or not headers or is_marked or not isinstance(secret, str):
        return
    path = f"{_path(action.subscriber)}/{segment(made.get('id'))}"
    mark = {"metadata": {HEADERS_MARK: fingerprint(headers, secret)}}
    await api.send("PATCH", path, mark, if_match=made.get("version"))


def _by_mark(lives: Iterable[Live], owner: str) -> dict[tuple[object, object], Live]:
    found: dict[tuple[object, object], Live] = {}
    for live in lives:
        mark = live.mark
        if mark is None or mark[0] != owner:
            continue
        place = (live.view.get("subscriber"), mark[1])
        if place in found:
            ids = f"{found[place].view.get('id')} and {live.view.get('id')}"
            text = f"{place[0]}/{place[1]} is there twice: {ids}; delete one of them"
            raise CommandFailed(FAILURE, text)
        found[place] = live
    return found


async def _with_secret(api: ApiClient, wanted: Wanted, live: Live | None) -> Live | None:
    if live is None or not is_secret_needed(wanted):
        return live
    path = f"{_path(wanted.subscriber)}/{segment(live.view.get('id'))}/secret"
    secret = (await api.get(path)).members.get("secret")
    return Live(live.view, secret if isinstance(secret, str) else None)


async def _subscribers(api: ApiClient) -> list[str]:
    """Name all subscribers, the newest first."""
    items = await api.items("/v1/subscribers")
    names = (item.get("subscriber") or item.get("id") or item.get("name") for item in items)
    return [str(name) for name in names if name]


def _path(subscriber: str) -> str:
    return f"/v1/subscribers/{segment(subscriber)}/subscriptions"
