"""What the deliverer knows of subscriptions: policy for the machine, endpoint for an attempt.

The registry table of the partitions this process owns feeds `changed`. Policies are compiled once
per version; the sealed part (URL, headers, secrets) is opened at attempt time only and kept in a
bounded cache, so a process that owns 100,000 subscriptions does not hold 100,000 secrets.
"""

import base64
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal

import msgspec
from structlog.typing import FilteringBoundLogger

from chassis.vault import Tampered, UnknownKey, Vault, sealing_key
from deliverer.policy.items import Mode, SubscriptionPolicy
from deliverer.policy.limiter import rate_of
from deliverer.request import Recipient, RequestRefused, recipient_of
from deliverer.sender.port import MaySend, always
from schemas.registry import (
    SealedFields,
    SubscriptionRecord,
    decode_sealed,
    decode_subscription,
    parse_registry_key,
)

OPENED_MAX = 10_000
SHARED_MAX = 4_096
"""Different policies that subscriptions share; one more is merely made again."""
_TARGET_MARKS = re.compile(r"[/?&=]")
_TOKEN_CHARS_MIN = 12
"""Shorter parts of a URL are words (`webhooks`), and masking them would tear an answer apart."""


class RegistryEntry(msgspec.Struct, frozen=True, gc=False):
    """A subscription as the table keeps it: its bytes, which are a fifth of it read; or nothing.

    `raw` is empty for records of other kinds.
    """

    raw: bytes

    @property
    def subscription(self) -> SubscriptionRecord | None:
        """Read it; None for the other kinds."""
        if not self.raw:
            return None
        record = decode_subscription(self.raw)
        if not isinstance(record, SubscriptionRecord):
            raise TypeError("a record was kept that nobody can read")
        return record


NO_SUBSCRIPTION = RegistryEntry(b"")


class Endpoint(msgspec.Struct, frozen=True):
    """Where and how an attempt goes, as the registry says right now. Holds secrets: never log it.

    `secrets` are the texts to mask in whatever the receiver answers.
    """

    recipient: Recipient | RequestRefused
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return "Endpoint(…)"


class Absent(msgspec.Struct, frozen=True):
    """The subscription is gone, disabled or not yet known: no attempt."""


class VaultClosed(msgspec.Struct, frozen=True):
    """The sealed part cannot be opened with the keys of this process."""

    reason: str


def decode_entry(key: bytes, value: bytes) -> RegistryEntry:
    """Decode one registry record for the table; ValueError keeps the last good one."""
    parsed = parse_registry_key(key)
    if parsed is None or parsed.kind != "subscription":
        return NO_SUBSCRIPTION
    decoded = decode_subscription(value)
    if not isinstance(decoded, SubscriptionRecord):
        raise ValueError("subscription record cannot be read")  # noqa: TRY004 - its value is wrong
    if (decoded.subscriber, decoded.id) != (parsed.subscriber, parsed.id):
        raise ValueError("the record names another subscription than its key")
    return RegistryEntry(value)


class _Known(msgspec.Struct, eq=False, gc=False):
    """One subscription of a partition; `policy` is None when it is deleted."""

    key: bytes
    entry: RegistryEntry
    policy: SubscriptionPolicy | None
    is_closed: bool = False
    host: str | None = None


class PartitionEndpoints:
    """The subscriptions of one partition; satisfies the machine's `Subscriptions`.

    `may_send` tells whether the partition is still surely ours: asked before bytes are written.
    """

    def __init__(self, vault: Vault, *, opened: "OpenedCache", log: FilteringBoundLogger) -> None:
        self._vault = vault
        self._opened = opened
        self._log = log
        self._known: dict[str, _Known] = {}
        self._closed: set[str] = set()
        self._listener: Callable[[str], None] | None = None
        self.may_send: MaySend = always

    def listen(self, listener: Callable[[str], None] | None) -> None:
        """Tell one listener the id of each subscription that changed."""
        self._listener = listener

    def policy(self, subscription: str) -> SubscriptionPolicy | None:
        """Return the policy of a subscription, None when it is absent."""
        known = self._known.get(subscription)
        return None if known is None else known.policy

    @property
    def closed(self) -> int:
        """How many subscriptions are paused because no vault key of ours opens them."""
        return len(self._closed)

    def key_of(self, subscription: str) -> bytes | None:
        """Return the registry key of a subscription."""
        known = self._known.get(subscription)
        return None if known is None else known.key

    def host_of(self, subscription: str) -> str | None:
        """Name the host and port of a subscription; None when nothing can be sent to it.

        Opened once per version: this is asked before each attempt.
        """
        known = self._known.get(subscription)
        if known is None:
            return None
        if known.host is None:
            endpoint = self.endpoint(subscription)
            recipient = endpoint.recipient if isinstance(endpoint, Endpoint) else None
            known.host = _host(recipient) if isinstance(recipient, Recipient) else ""
        return known.host or None

    def changed(self, key: bytes, entry: RegistryEntry | None) -> None:
        """Take a registry record the table has read; None is a tombstone."""
        parsed = parse_registry_key(key)
        if parsed is None or parsed.kind != "subscription":
            return
        record = None if entry is None else entry.subscription
        self._closed.discard(parsed.id)
        if entry is None or record is None:
            self._known.pop(parsed.id, None)
        elif record.deleted:
            self._known[parsed.id] = _Known(key, entry, None)
        else:
            known = self._known[parsed.id] = _Known(key, entry, _policy(record))
            key_id = sealing_key(record.sealed)
            if key_id not in self._vault.key_ids:
                self._close(parsed.id, known, record, cause=f"no vault key {key_id!r}")
        self._opened.forget(key)
        if self._listener is not None:
            self._listener(parsed.id)

    def endpoint(self, subscription: str) -> Endpoint | Absent | VaultClosed:
        """Look up where an attempt goes now, opening the sealed part when needed."""
        known = self._known.get(subscription)
        if known is None or known.policy is None or known.policy.status == "disabled":
            return Absent()
        if known.is_closed:
            return VaultClosed("vault")
        kept = self._opened.get(known.key)
        if kept is not None:
            return kept
        opened = self._open(subscription, known)
        if isinstance(opened, Endpoint):
            self._opened.put(known.key, opened)
        return opened

    def _open(self, subscription: str, known: _Known) -> Endpoint | Absent | VaultClosed:
        record = known.entry.subscription
        if record is None:
            return Absent()
        try:
            fields = open_sealed(self._vault, record.sealed, key=known.key)
        except (UnknownKey, Tampered, ValueError) as fault:
            reason = type(fault).__name__
            self._close(subscription, known, record, cause=reason)
            if self._listener is not None:
                self._listener(subscription)
            return VaultClosed(reason)
        recipient = recipient_of(fields, format=record.format, timeout_s=record.timeout_s)
        return Endpoint(recipient, secrets_of(fields))

    def _close(
        self, subscription: str, known: _Known, record: SubscriptionRecord, *, cause: str
    ) -> None:
        """Pause what cannot be opened: nothing is ever sent unsigned, nothing is lost."""
        known.is_closed = True
        known.policy = _policy(record, is_held=True)
        if not self._closed:
            # One line tells it; a whole key that is missing would bring a hundred thousand.
            self._log.error("endpoint.vault_closed", subscription=subscription, cause=cause)
        self._closed.add(subscription)


class OpenedCache:
    """Keep the most recently used opened secrets, at most so many."""

    def __init__(self, entries_max: int = OPENED_MAX) -> None:
        self._max = entries_max
        self._entries: OrderedDict[bytes, Endpoint] = OrderedDict()

    def get(self, key: bytes) -> Endpoint | None:
        """Return the opened endpoint of a registry key, if still here."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: bytes, endpoint: Endpoint) -> None:
        """Keep an opened endpoint; the least recently used go."""
        self._entries[key] = endpoint
        self._entries.move_to_end(key)
        while len(self._entries) > self._max:
            self._entries.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Drop the opened endpoint of a record that changed."""
        self._entries.pop(key, None)


def _host(recipient: Recipient) -> str:
    return sys.intern(f"{recipient.host}:{recipient.port}")


def open_sealed(vault: Vault, sealed: str, *, key: bytes) -> SealedFields:
    """Open the sealed part of a subscription record; ValueError when it is not what we seal."""
    plain = vault.open(base64.b64decode(sealed, validate=True), aad=key)
    fields = decode_sealed(plain)
    if not isinstance(fields, SealedFields):
        raise ValueError("sealed fields cannot be read")  # noqa: TRY004 - its value is wrong
    return fields


def secrets_of(fields: SealedFields) -> tuple[str, ...]:
    """List the texts of a subscription that must never show: secrets, header values, its URL.

    Receivers echo what they got: error pages quote path and query, where many keep a token, and
    a login is quoted without its scheme.
    """
    tokens = [fields.secret, *(previous.secret for previous in fields.previous)]
    bare = [token.partition("_")[2] for token in tokens]
    values = list(fields.headers.values())
    words = [word for value in values if " " in value for word in value.split()]
    target = fields.url.partition("://")[2].partition("/")[2]
    parts = [f"/{target}", *_TARGET_MARKS.split(target)]
    long_ones = [text for text in (*words, *parts) if len(text) >= _TOKEN_CHARS_MIN]
    return (*tokens, *bare, *values, *long_ones)


def _policy(record: SubscriptionRecord, *, is_held: bool = False) -> SubscriptionPolicy:
    rate = record.rate_limit
    return _shared_policy(
        "paused" if is_held and record.status == "active" else record.status,
        (record.lane_epoch, record.drop_before),
        modes=((record.lane_epoch, record.ordering), *_older_modes(record)),
        schedule_ms=_shared_schedule(tuple(record.retry.schedule_s)),
        bounds=(record.retry.max_age_s * 1000, record.max_in_flight),
        rate=None if rate is None else (rate.per_second, rate.burst),
    )


def _older_modes(record: SubscriptionRecord) -> Iterator[tuple[int, Mode]]:
    for epoch, mode in record.orderings.items():
        if int(epoch) != record.lane_epoch:
            yield int(epoch), mode


@lru_cache(maxsize=SHARED_MAX)
def _shared_schedule(schedule_s: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(delay_s * 1000) for delay_s in schedule_s)


@lru_cache(maxsize=SHARED_MAX)
def _shared_policy(
    status: Literal["active", "paused", "disabled"],
    epochs: tuple[int, int],
    *,
    modes: tuple[tuple[int, Mode], ...],
    schedule_ms: tuple[int, ...],
    bounds: tuple[int, int],
    rate: tuple[float, int | None] | None,
) -> SubscriptionPolicy:
    """Make a policy once: most subscriptions have the same one."""
    return SubscriptionPolicy(
        status=status,
        lane_epoch=epochs[0],
        drop_before=epochs[1],
        modes=dict(modes),
        schedule_ms=schedule_ms,
        max_age_ms=bounds[0],
        max_in_flight=bounds[1],
        rate_limit=None if rate is None else rate_of(*rate),
    )
