"""`hooklane vault reencrypt`: seal everything with the first vault key, so that others may go.

Each record tells which key sealed it, so a run that was cut off is simply run again. Writes take
the same way as those of the gateways (compare-and-set), which go on meanwhile.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from chassis import logs
from chassis.clock import SystemClock
from chassis.settings import KafkaSettings, SettingsError, TopicsSettings, VaultSettings, load
from chassis.table import Table
from chassis.table_writer import TableWriter, Writes, WriteUnavailable
from chassis.vault import Vault
from gateway.registry import Stored
from gateway.registry_rows import Row, decode_row
from gateway.resealing import SealState, resealed, seal_of
from hooklane.exits import FAILURE, INVALID, NETWORK, OK, CommandFailed
from hooklane.output import Form, render, report
from hooklane.topic_reader import count_partitions
from schemas.registry import SubscriptionRecord
from schemas.topics import topic_name, transactional_id

CLIENT_ID = "hooklane-vault"
COLUMNS = ("sealed_with", "state", "subscriptions")
READ_S = 60.0
POLL_S = 0.05
AT_ONCE = 100
"""Records of one transaction; gateways that write to that partition wait for it."""
TRIES = 5
WRITE_S = 10.0


class VaultCommandSettings(BaseModel):
    """The variables that this command reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: KafkaSettings
    topics: TopicsSettings = TopicsSettings()
    vault: VaultSettings


@dataclass
class Done:
    """What a run did."""

    reencrypted: int = 0
    erased: int = 0


@dataclass
class Book:
    """The registry as it stands, and who may write to it."""

    table: Table[Row]
    writer: TableWriter[Row]
    vault: Vault
    partitions: int
    done: Done = field(default_factory=Done)

    def subscriptions(self, partition: int) -> Iterator[tuple[bytes, Stored[SubscriptionRecord]]]:
        """Give the subscriptions of a partition, deleted ones too."""
        for key, row in self.table.items(partition):
            if row is not None and row.kind == "subscription":
                stored = self.find(partition, key)
                if stored is not None:
                    yield key, stored

    def find(self, partition: int, key: bytes) -> Stored[SubscriptionRecord] | None:
        """Give one as it stands now."""
        row = self.table.get(partition, key)
        record = None if row is None else row.record
        if row is None or not isinstance(record, SubscriptionRecord):
            return None
        return Stored(record, row.value, self.table.appended_at(partition, key))

    def count(self) -> Counter[tuple[str, SealState]]:
        """Count subscriptions by the key that sealed them and how that stands."""
        found: Counter[tuple[str, SealState]] = Counter()
        for partition in range(self.partitions):
            for key, stored in self.subscriptions(partition):
                seal = seal_of(key, stored.record, self.vault)
                if seal.state is not SealState.NOTHING:
                    found[seal.key_id or "-", seal.state] += 1
        return found


def run(variables: Mapping[str, str], form: Form, *, is_dry: bool) -> int:
    """Do it or only count; exit 1 when something stays that no key opens."""
    found = asyncio.run(reencrypt(read_settings(variables), is_dry=is_dry))
    rows = [
        {"sealed_with": key_id, "state": str(state), "subscriptions": count}
        for (key_id, state), count in sorted(found.items())
    ]
    print(render(rows, COLUMNS, form))
    closed = sum(count for (_, state), count in found.items() if state is SealState.CLOSED)
    if closed:
        report(f"{closed} cannot be opened: give their keys in HOOKLANE_VAULT__KEYS, or they stay")
    return FAILURE if closed else OK


def read_settings(variables: Mapping[str, str]) -> VaultCommandSettings:
    """Load the settings; CommandFailed with one line per problem."""
    try:
        return load(VaultCommandSettings, variables)
    except SettingsError as error:
        raise CommandFailed(INVALID, "\n".join(error.problems)) from error


async def reencrypt(
    settings: VaultCommandSettings, *, is_dry: bool
) -> Counter[tuple[str, SealState]]:
    """Seal again what is not under the first key; gives the counts as they then are."""
    async with _book(settings) as book:
        if not is_dry:
            for partition in range(book.partitions):
                await _mend(book, partition)
            done = book.done
            report(f"{done.reencrypted} sealed again, {done.erased} of deleted ones erased")
        return book.count()


async def _mend(book: Book, partition: int) -> None:
    """Work through a partition until nothing is left that can be done."""
    failures = 0
    while keys := _due(book, partition):
        try:
            for at in range(0, len(keys), AT_ONCE):
                await _write(book, partition, keys[at : at + AT_ONCE])
                failures = 0
        except WriteUnavailable as error:
            failures += 1
            if failures == TRIES:
                text = f"the registry takes no writes ({error}): run this again, it goes on"
                raise CommandFailed(NETWORK, text) from error


async def _write(book: Book, partition: int, keys: list[bytes]) -> None:
    """Write the new records of these keys in one transaction."""
    counted = Done()

    def decide() -> Writes:
        counted.reencrypted = counted.erased = 0
        writes: list[tuple[bytes, bytes | None]] = []
        for key in keys:
            stored = book.find(partition, key)
            value = None if stored is None else resealed(key, stored, book.vault)
            if stored is None or value is None:
                continue
            writes.append((key, value))
            counted.erased += stored.record.deleted
            counted.reencrypted += not stored.record.deleted
        return writes

    await book.writer.update(partition, decide)
    book.done.reencrypted += counted.reencrypted
    book.done.erased += counted.erased


def _due(book: Book, partition: int) -> list[bytes]:
    """Find what is not as it should be and can be mended."""
    return [
        key
        for key, stored in book.subscriptions(partition)
        if seal_of(key, stored.record, book.vault).state in {SealState.OLDER, SealState.DELETED}
    ]


@asynccontextmanager
async def _book(settings: VaultCommandSettings) -> AsyncIterator[Book]:
    """Read the whole registry; CommandFailed when it cannot be read in time."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its lines come beside our one line
    prefix = settings.topics.prefix
    topic = topic_name(prefix, "registry")
    partitions = await count_partitions(settings.kafka, topic, client_id=CLIENT_ID)
    table: Table[Row] = Table(
        settings.kafka,
        topic=topic,
        decode=decode_row,
        client_id=CLIENT_ID,
        log=logs.get("vault"),
    )
    writer = TableWriter(
        settings.kafka,
        table,
        transactional_id=lambda partition: transactional_id(prefix, "registry", partition),
        client_id=CLIENT_ID,
        clock=SystemClock(),
        deadline_s=WRITE_S,
    )
    servers = ",".join(settings.kafka.bootstrap_servers)
    try:
        await table.own(range(partitions))
        await table.start()
        async with asyncio.timeout(READ_S):
            while not table.is_caught_up:  # noqa: ASYNC110 - markers move it without waking anybody
                await asyncio.sleep(POLL_S)
        yield Book(table, writer, Vault(settings.vault.key_ring()), partitions)
    except TimeoutError as error:
        text = f"the registry at {servers} could not be read within {READ_S:g} s"
        raise CommandFailed(NETWORK, text) from error
    finally:
        await writer.stop()
        await table.stop()
