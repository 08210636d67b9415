"""`hooklane keys create|list|revoke`."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hooklane.api_client import ApiClient, Target, segment
from hooklane.exits import OK, USAGE, CommandFailed
from hooklane.output import Form, render, report

COLUMNS: Final = ("id", "name", "scopes", "subscriber", "expires_at", "created_at")


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What a new key may do, for whom and how long."""

    name: str
    scopes: Sequence[str]
    subscriber: str | None = None
    expires_at: str | None = None
    events_per_second: float | None = None
    burst: int | None = None

    @property
    def body(self) -> dict[str, object]:
        """The request, without what was not said."""
        if self.burst is not None and self.events_per_second is None:
            raise CommandFailed(USAGE, "--burst needs --events-per-second")
        quota = {"events_per_second": self.events_per_second, "burst": self.burst}
        given = {
            "name": self.name,
            "scopes": list(dict.fromkeys(self.scopes)),
            "subscriber": self.subscriber,
            "expires_at": self.expires_at,
            "quota": {k: v for k, v in quota.items() if v is not None} or None,
        }
        return {k: v for k, v in given.items() if v is not None}


def run_create(variables: Mapping[str, str], options: KeyOptions, form: Form) -> int:
    """Make a key. Only the key goes to stdout (table form), so a script can take it."""
    made = asyncio.run(_create(Target.of(variables), options.body))
    if form == "json":
        print(json.dumps(dict(made), indent=2, ensure_ascii=False))
        return OK
    report(f"key {made.get('id')} made; it is shown this once only:")
    print(made.get("key"))
    return OK


async def _create(target: Target, body: Mapping[str, object]) -> Mapping[str, object]:
    async with ApiClient(target) as api:
        return (await api.send("POST", "/v1/keys", body)).members


def run_list(variables: Mapping[str, str], form: Form) -> int:
    """Show the keys, never what they are."""
    keys = asyncio.run(_list(Target.of(variables)))
    rows = [dict(key) if form == "json" else _row(key) for key in keys]
    print(render(rows, COLUMNS, form))
    return OK


async def _list(target: Target) -> list[Mapping[str, object]]:
    async with ApiClient(target) as api:
        return await api.items("/v1/keys")


def _row(key: Mapping[str, object]) -> dict[str, object]:
    scopes = key.get("scopes")
    shown = {name: "" if key.get(name) is None else key.get(name) for name in COLUMNS}
    return {**shown, "scopes": ",".join(map(str, scopes)) if isinstance(scopes, list) else ""}


def run_revoke(variables: Mapping[str, str], key_ids: Sequence[str]) -> int:
    """Revoke keys, one after the other."""
    asyncio.run(_revoke(Target.of(variables), key_ids))
    return OK


async def _revoke(target: Target, key_ids: Sequence[str]) -> None:
    async with ApiClient(target) as api:
        for key_id in key_ids:
            await api.send("DELETE", f"/v1/keys/{segment(key_id)}")
            report(f"revoked {key_id}")
