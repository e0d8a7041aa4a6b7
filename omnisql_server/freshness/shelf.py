"""A shelf: the entries of one API table under one credential, as this process knows them and Valkey holds them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog

from connectors.sdk.trail import Step
from omnisql_server.freshness.asked import Asked
from omnisql_server.freshness.changes import Changes
from omnisql_server.freshness.domains import Request
from omnisql_server.freshness.entries import (
    Entry,
    Seal,
    Spoiled,
    describe,
    described,
    joined,
    pack,
    read_steps,
    unpack,
    written_steps,
)
from omnisql_server.freshness.index import Index
from omnisql_server.freshness.refreshes import OnRecord
from omnisql_server.freshness.store import Known, Sealed
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Answer, Fetched
from omnisql_server.observability.metrics import INSTRUMENTS

if TYPE_CHECKING:
    from omnisql_server.freshness.cache import Shared

BYTES_FOR_A_THREAD = 256 * 1024
ENTRIES_MAX = 20_000
"""Descriptions of one shelf that this process remembers before it reads them again."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Shelf:
    """A shelf as this process knows it."""

    name: str
    tenant: str
    seal: Seal
    index: Index
    shared: Shared = field(repr=False)
    asked: Asked
    changes: Changes
    on_record: OnRecord
    known: Known = field(default_factory=Known)
    floor_us: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> int:
        """Follow what others put here or took away, and return Valkey's time in microseconds."""
        # One at a time: an older answer that came in later would bring back what was invalidated.
        async with self._looking:
            return await self._look()

    async def _look(self) -> int:
        if len(self.index.entries) > ENTRIES_MAX:
            # What was evicted is never told: now and then everything is read again.
            self.index.clear()
            self.known = replace(self.known, number="0")
        hits, self.hits = self.hits, {}
        # A shelf without entries has no wider request to read instead of what is asked for.
        told = self.asked.untold() if self.known.generation else []
        looked = await self.shared.store.look(self.name, self.changes.place, self.known, hits, told)
        if looked.known.generation != self.known.generation:
            self.let_go()
        spoiled = []
        for entry_id, sealed in looked.found.items():
            try:
                self.index.add(described(entry_id, self.seal.open(sealed, self.name, entry_id, "description")))
            except Spoiled:
                spoiled.append(entry_id)
        self.known, self.floor_us = looked.known, looked.floor_us
        if unread := len(spoiled) + self.asked.hear(looked.told) + self.changes.hear(looked.changes):
            self._spoiled(unread)
        if spoiled:
            await self.shared.store.drop(self.name, *spoiled)
        return looked.now_us

    def let_go(self) -> None:
        """Forget the entries and their rows, which Valkey may still hold."""
        self.shared.tier.drop_shelf(self.name)
        self.index.clear()
        self.known = Known()

    async def rows(self, entry: Entry) -> tuple[pa.RecordBatch, ...] | None:
        """Return an entry's rows; None where they are gone or spoiled, and then the entry is forgotten."""
        held = self.shared.tier.get((self.name, entry.id))
        if held is not None:
            return held
        sealed = await self.shared.store.rows(self.name, entry.id)
        if sealed is not None:
            try:
                if len(sealed) > BYTES_FOR_A_THREAD:
                    batches = await asyncio.to_thread(self._opened, sealed, entry.id)
                else:
                    batches = self._opened(sealed, entry.id)
            except Spoiled:
                self._spoiled(1)
                await self.shared.store.drop(self.name, entry.id)
            else:
                self.shared.tier.put((self.name, entry.id), batches, entry.cost)
                return batches
        self.index.remove(entry.id)
        return None

    async def steps(self, entry: Entry) -> tuple[Step, ...]:
        """Return the steps that confirm an entry; none where they are gone or spoiled."""
        sealed = await self.shared.store.steps(self.name, entry.id)
        try:
            return () if sealed is None else read_steps(self.seal.open(sealed, self.name, entry.id, "steps"))
        except Spoiled:
            self._spoiled(1)
            await self.shared.store.drop(self.name, entry.id)
            self.index.remove(entry.id)
            return ()

    async def confirmed(self, entry: Entry, fetched_us: int) -> Entry:
        """Make an entry younger, which its source has just confirmed."""
        full_us = entry.full_us if entry.is_merged else fetched_us
        younger = replace(entry, fetched_us=fetched_us, full_us=full_us)
        description = self.seal.close(describe(younger), self.name, entry.id, "description")
        try:
            if await self.shared.store.confirm(self.name, entry.id, description, fetched_us):
                self.index.add(younger)
        except VALKEY_ERRORS as error:
            INSTRUMENTS.cache_failed("confirm")
            _log.warning("cache_unavailable", tenant=self.tenant, error=type(error).__name__)
        return younger

    async def keep(self, request: Request, fetched_us: int, fetched: Fetched) -> str | None:
        """Keep what a source gave in full; say why it is not kept, if so."""
        entry = _entry_of(request, fetched_us, fetched, fetched.requests)
        return await self._put(entry, fetched)

    async def replaced(self, entry: Entry, changed: Fetched, fetched_us: int, *, whole: bool) -> Entry | None:
        """Keep an entry's rows with changes in them, `whole` if none can be missing; None where that cannot be done."""
        younger = _entry_of(entry.request, fetched_us, changed, entry.cost)
        if not whole:
            younger = replace(younger, full_us=entry.full_us)
        if await self._put(younger, changed) is not None:
            return None
        self.index.add(younger)
        return younger

    async def _put(self, entry: Entry, fetched: Fetched) -> str | None:
        size_bytes = entry.size_bytes
        if size_bytes > self.shared.entry_bytes_max:
            return f"{size_bytes} bytes are more than freshness.entry_bytes_max"
        try:
            batches = joined(fetched.batches)
        except pa.ArrowException:
            return "its pages do not have the same columns"
        try:
            if size_bytes > BYTES_FOR_A_THREAD:
                sealed = await asyncio.to_thread(self._sealed, entry, batches, fetched.steps)
            else:
                sealed = self._sealed(entry, batches, fetched.steps)
            superseded = self.index.superseded(entry)
            if not await self.shared.store.put(self.tenant, self.name, sealed, superseded):
                return "there is no room for it, or it was invalidated while it was read"
        except VALKEY_ERRORS as error:
            INSTRUMENTS.cache_failed("put")
            _log.warning("cache_unavailable", tenant=self.tenant, error=type(error).__name__)
            return "Valkey does not answer"
        for entry_id in superseded:
            self.index.remove(entry_id)
            self.shared.tier.drop((self.name, entry_id))
        self.shared.tier.put((self.name, entry.id), batches, entry.cost)
        return None

    def refresh(self, name: str, what: str, read: Callable[[], Awaitable[Answer]]) -> None:
        """Read something in the background, on record."""
        self.shared.refreshes.begin(name, read, self.on_record(what))

    def count_hit(self, entry: Entry) -> None:
        """Count a use of an entry; the next look tells Valkey."""
        self.hits[entry.id] = self.hits.get(entry.id, 0) + 1

    def _spoiled(self, entries: int) -> None:
        _log.warning("cache_entries_spoiled", tenant=self.tenant, entries=entries)
        INSTRUMENTS.cache_failed("spoiled")

    def _sealed(self, entry: Entry, batches: Sequence[pa.RecordBatch], steps: tuple[Step, ...]) -> Sealed:
        return Sealed(
            id=entry.id,
            description=self.seal.close(describe(entry), self.name, entry.id, "description"),
            rows=self.seal.close_large(pack(batches), self.name, entry.id, "rows"),
            fetched_us=entry.fetched_us,
            cost=entry.cost,
            steps=self.seal.close(written_steps(steps), self.name, entry.id, "steps") if steps else b"",
        )

    def _opened(self, sealed: bytes, entry_id: str) -> tuple[pa.RecordBatch, ...]:
        return unpack(self.seal.open_large(sealed, self.name, entry_id, "rows"))


def _entry_of(request: Request, fetched_us: int, fetched: Fetched, cost: int) -> Entry:
    return Entry(
        id=uuid.uuid4().hex,
        request=request,
        fetched_us=fetched_us,
        full_us=fetched_us,
        cost=max(cost, 1),
        row_count=sum(batch.num_rows for batch in fetched.batches),
        size_bytes=sum(batch.nbytes for batch in fetched.batches),
        steps=len(fetched.steps),
        changes_since="" if fetched.asked_at is None else fetched.asked_at.isoformat(),
        misfits=fetched.misfits,
    )
