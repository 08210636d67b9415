"""What must change so that the gateway has what a file says. Pure.

A subscription made by `apply` bears its owner and name in its metadata; without that mark it is
somebody else's and is never touched. Header values come back masked, so a third mark holds a
fingerprint of them, keyed with the subscription's own secret: nobody who may not read the secret
learns anything from it.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from hooklane.subscription_file import MARK_PREFIX, Wanted

OWNER_MARK: Final = MARK_PREFIX + "owner"
NAME_MARK: Final = MARK_PREFIX + "name"
HEADERS_MARK: Final = MARK_PREFIX + "headers"
MASK: Final = "***"
_MERGED: Final = frozenset({"headers", "metadata"})
_LEFT_ALONE: Final = frozenset({"status"})
_FINGERPRINT_CHARS: Final = 32

Kind = Literal["create", "update", "delete", "keep"]


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs; texts are fit to be shown."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, with the version of the subscription it was decided on."""

    kind: Kind
    label: str
    subscriber: str
    subscription: str | None = None
    version: object = None
    changes: Sequence[Change] = ()
    body: Mapping[str, object] = field(default_factory=dict)
    new_secret: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """A subscription as the gateway shows it; `secret` only where it was asked for."""

    view: Mapping[str, object]
    secret: str | None = None

    @property
    def metadata(self) -> Mapping[str, object]:
        """Its metadata."""
        return _mapping(self.view.get("metadata"))

    @property
    def mark(self) -> tuple[object, object] | None:
        """Owner and name, None when it was not made by `apply`."""
        found = self.metadata
        if OWNER_MARK not in found or NAME_MARK not in found:
            return None
        return found[OWNER_MARK], found[NAME_MARK]


def is_secret_needed(wanted: Wanted) -> bool:
    """Whether the live secret must be known to see drift."""
    return wanted.secret is not None or bool(wanted.fields["headers"])


def plan_one(wanted: Wanted, live: Live | None, owner: str) -> Action:
    """Decide what one entry of the file asks for."""
    if live is None:
        return _create(wanted, owner)
    secret = live.secret if wanted.secret is None else wanted.secret
    effective = dict(wanted.fields) | {"metadata": marked(wanted, owner, secret)}
    is_rotated = wanted.secret is not None and wanted.secret != live.secret
    is_other_kind = live.view.get("signature") != effective["signature"]
    body: dict[str, object] = {}
    changes: list[Change] = []
    for name, after in effective.items():
        before = live.view.get(name)
        if name in _LEFT_ALONE and name not in wanted.named:
            continue
        if name in _MERGED:
            old = _mapping(before)
            patch = _merge_patch(name, old, _mapping(after), live)
            changes += _merged_changes(name, old, patch)
            body |= {name: patch} if patch else {}
        elif before != after:
            changes += _differences(name, before, after)
            body[name] = after
    new_secret = wanted.secret if is_rotated else None
    if is_rotated and is_other_kind:
        body["secret"], new_secret = wanted.secret, None
    if is_rotated:
        changes.append(Change("secret", MASK, "another " + MASK))
    return Action(
        kind="update" if changes or body else "keep",
        label=wanted.label,
        subscriber=wanted.subscriber,
        subscription=str(live.view.get("id")),
        version=live.view.get("version"),
        changes=changes,
        body=body,
        new_secret=new_secret,
        note=_note(live, wanted),
    )


def plan_prune(owner: str, wanted: Iterable[Wanted], lives: Iterable[Live]) -> list[Action]:
    """Decide what bears the owner's mark and is no longer in the file."""
    kept = {(one.subscriber, one.name) for one in wanted}
    actions = []
    for live in lives:
        mark = live.mark
        subscriber = str(live.view.get("subscriber"))
        if mark is None or mark[0] != owner or (subscriber, mark[1]) in kept:
            continue
        actions.append(
            Action(
                kind="delete",
                label=f"{subscriber}/{mark[1]}",
                subscriber=subscriber,
                subscription=str(live.view.get("id")),
                version=live.view.get("version"),
                changes=[Change("url", live.view.get("url"), None)],
            )
        )
    return actions


def marked(wanted: Wanted, owner: str, secret: str | None) -> dict[str, object]:
    """Give the metadata with our marks; the one of the headers needs the secret."""
    marks: dict[str, object] = {OWNER_MARK: owner, NAME_MARK: wanted.name}
    headers = _mapping(wanted.fields["headers"])
    if headers and secret is not None:
        marks[HEADERS_MARK] = fingerprint(headers, secret)
    return {**_mapping(wanted.fields["metadata"]), **marks}


def fingerprint(headers: Mapping[str, object], secret: str) -> str:
    """Tell header sets apart without telling what they are."""
    canonical = json.dumps(sorted((name.lower(), value) for name, value in headers.items()))
    return hmac.new(secret.encode(), canonical.encode(), hashlib.sha256).hexdigest()[
        :_FINGERPRINT_CHARS
    ]


def _create(wanted: Wanted, owner: str) -> Action:
    fields = {k: v for k, v in wanted.fields.items() if k in wanted.named or k == "url"}
    body = fields | {"metadata": marked(wanted, owner, wanted.secret)}
    if wanted.secret is not None:
        body["secret"] = wanted.secret
    shown = {k: v for k, v in fields.items() if k not in _MERGED} | {
        k: dict.fromkeys(_mapping(fields[k]), MASK) if k == "headers" else fields[k]
        for k in _MERGED & fields.keys()
    }
    changes = [Change(name, None, value) for name, value in shown.items()]
    if wanted.secret is not None:
        changes.append(Change("secret", None, MASK))
    return Action("create", wanted.label, wanted.subscriber, changes=changes, body=body)


def _merge_patch(
    name: str, old: Mapping[str, object], new: Mapping[str, object], live: Live
) -> dict[str, object]:
    """Give what a merge by name must say: null removes, masked values are told by their mark."""
    if name == "metadata":
        gone: dict[str, object] = dict.fromkeys(old.keys() - new.keys())
        return gone | {k: v for k, v in new.items() if old.get(k) != v}
    lower = {k.lower() for k in new}
    gone = {k: None for k in old if k.lower() not in lower}
    is_known = bool(new) and live.secret is not None
    known = fingerprint(new, live.secret or "") if is_known else None
    is_same = {k.lower() for k in old} == lower and (
        not new or live.metadata.get(HEADERS_MARK) == known
    )
    return {} if is_same else gone | dict(new)


def _merged_changes(
    name: str, old: Mapping[str, object], patch: Mapping[str, object]
) -> list[Change]:
    changes = []
    for key, after in patch.items():
        if key == HEADERS_MARK:
            continue
        shown = (after is not None and MASK) if name == "headers" else after
        changes.append(Change(f"{name}.{key}", old.get(key), shown or None))
    return changes


def _differences(name: str, before: object, after: object) -> list[Change]:
    """Show of an object only the members that differ."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [Change(name, before, after)]
    members = dict.fromkeys([*before, *after])
    return [
        Change(f"{name}.{member}", before.get(member), after.get(member))
        for member in members
        if before.get(member) != after.get(member)
    ]


def _note(live: Live, wanted: Wanted) -> str:
    status, reason = live.view.get("status"), live.view.get("status_reason")
    if status != "active" and "status" not in wanted.named:
        return f"is {status} ({reason}); say `status: active` to change that"
    return ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
