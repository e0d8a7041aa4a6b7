"""One statement's reading of one API table: what is kept answers, what is missing is fetched and kept.

A reading has one moment, Valkey's time when it began: ages are counted back from there, so that what another statement
began to fetch shortly before is as good as what was kept then.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from connectors.sdk.errors import RateLimited, Retryable
from connectors.sdk.scan import Scan, Value
from connectors.sdk.table import Table
from omnisql_server.errors import OmniSQLError
from omnisql_server.freshness.domains import (
    Request,
    listed_columns,
    request_of,
    typed,
    with_list,
    with_value,
)
from omnisql_server.freshness.entries import Entry, Seal, Spoiled, describe, described, joined, pack, unpack
from omnisql_server.freshness.index import Index
from omnisql_server.freshness.store import Sealed
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Answer, Fetch, Staleness
from omnisql_server.observability.metrics import INSTRUMENTS

if TYPE_CHECKING:
    from omnisql_server.freshness.cache import Shared

BYTES_FOR_A_THREAD = 256 * 1024
ENTRIES_MAX = 20_000
"""Descriptions of one shelf that this process remembers before it reads them again."""
JOINS_MAX = 3
COMPARABLE = frozenset({"bool", "int2", "int4", "int8", "text", "varchar", "date", "timestamp", "timestamptz"})
"""Types whose values Arrow finds equal exactly where PostgreSQL does."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Shelf:
    """A shelf as this process knows it."""

    name: str
    tenant: str
    seal: Seal
    index: Index
    shared: Shared = field(repr=False)
    generation: str = ""
    number: str = "0"
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
            self.number = "0"
        hits, self.hits = self.hits, {}
        looked = await self.shared.store.look(self.name, self.generation, self.number, hits)
        if looked.generation != self.generation:
            for entry_id in self.index.entries:
                self.shared.tier.drop((self.name, entry_id))
            self.index.clear()
        spoiled = []
        for entry_id, sealed in looked.found.items():
            try:
                self.index.add(described(entry_id, self.seal.open(sealed, self.name, entry_id, "description")))
            except Spoiled:
                spoiled.append(entry_id)
        self.generation, self.number = looked.generation, looked.number
        if spoiled:
            _log.warning("cache_entries_spoiled", tenant=self.tenant, entries=len(spoiled))
            INSTRUMENTS.cache_failed("spoiled")
            await self.shared.store.drop(self.name, *spoiled)
        return looked.now_us

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
                _log.warning("cache_entries_spoiled", tenant=self.tenant, entries=1)
                INSTRUMENTS.cache_failed("spoiled")
                await self.shared.store.drop(self.name, entry.id)
            else:
                self.shared.tier.put((self.name, entry.id), batches, entry.cost)
                return batches
        self.index.remove(entry.id)
        return None

    async def keep(
        self, request: Request, fetched_us: int, cost: int, batches: tuple[pa.RecordBatch, ...]
    ) -> str | None:
        """Keep what a source gave in full; say why it is not kept, if so."""
        size_bytes = sum(batch.nbytes for batch in batches)
        bound = self.shared.entry_bytes_max
        if size_bytes > bound:
            return f"{size_bytes} bytes are more than freshness.entry_bytes_max"
        try:
            batches = joined(batches)
        except pa.ArrowException:
            return "its pages do not have the same columns"
        entry = Entry(
            id=uuid.uuid4().hex,
            request=request,
            fetched_us=fetched_us,
            cost=max(cost, 1),
            row_count=sum(batch.num_rows for batch in batches),
            size_bytes=size_bytes,
        )
        try:
            if size_bytes > BYTES_FOR_A_THREAD:
                sealed = await asyncio.to_thread(self._sealed, entry, batches)
            else:
                sealed = self._sealed(entry, batches)
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

    def count_hit(self, entry: Entry) -> None:
        """Count a use of an entry; the next look tells Valkey."""
        self.hits[entry.id] = self.hits.get(entry.id, 0) + 1

    def _sealed(self, entry: Entry, batches: Sequence[pa.RecordBatch]) -> Sealed:
        return Sealed(
            id=entry.id,
            description=self.seal.close(describe(entry), self.name, entry.id, "description"),
            rows=self.seal.close(pack(batches), self.name, entry.id, "rows"),
            fetched_us=entry.fetched_us,
            cost=entry.cost,
        )

    def _opened(self, sealed: bytes, entry_id: str) -> tuple[pa.RecordBatch, ...]:
        return unpack(self.seal.open(sealed, self.name, entry_id, "rows"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Some of a scan's rows: those that an entry has of the values given for a column, or the whole of the scan."""

    entry: Entry
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Division:
    """How a scan is answered: parts from entries, and the scan that is left to fetch."""

    parts: tuple[_Part, ...]
    left: Scan | None
    column: str = ""
    missing: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfReading:
    """Implements `model.freshness.Reading`."""

    shelf: Shelf
    table: Table
    staleness: Staleness
    now_us: int

    async def read(self, scan: Scan, fetch: Fetch) -> Answer:
        """Answer a scan within the bound, by the source where nothing else does, and by older rows where it fails."""
        answer = await self._within(scan, fetch)
        if answer.error is None or not isinstance(answer.error, Retryable | RateLimited):
            return answer
        instead = (
            await self._kept(scan, self.now_us - self.staleness.if_error_us) if self.staleness.if_error_us else None
        )
        return answer if instead is None else replace(instead, stale=True, error=answer.error)

    def peek(self, scan: Scan) -> Answer | None:
        """Say what would answer a scan now."""
        division = self._divided(scan, self.now_us - self.staleness.max_us) if self.staleness.max_us else None
        if division is None or not division.parts:
            return None
        entries = [part.entry for part in division.parts]
        left = None if division.left is None else f"{len(division.missing)} values are to be fetched"
        return Answer(batches=(), age_us=self._age_us(entries), hits=len(entries), not_kept=left)

    async def _within(self, scan: Scan, fetch: Fetch) -> Answer:
        if self.staleness.max_us == 0:
            return await self._fetched(scan, fetch, self.now_us)
        oldest_us = self.now_us - self.staleness.max_us
        division = self._divided(scan, oldest_us)
        kept = await self._read_parts(scan, division)
        if kept is None:
            division, kept = _Division(parts=(), left=scan), []
        entries = [part.entry for part in division.parts]
        if division.left is None:
            return self._from(entries, kept)
        answer = await self._shared(division.left, fetch, oldest_us)
        if not entries:
            return answer
        rest = _only(answer.batches, division.column, division.missing)
        return replace(
            self._from(entries, [*kept, *rest]),
            age_us=max(answer.age_us, self._age_us(entries)),
            shared=answer.shared,
            truncated=answer.truncated,
            error=answer.error,
            not_kept=answer.not_kept,
            hits=len(entries) + answer.hits,
        )

    async def _kept(self, scan: Scan, oldest_us: int) -> Answer | None:
        """Answer a scan from entries alone, None where they lack some of it."""
        division = self._divided(scan, oldest_us)
        kept = await self._read_parts(scan, division) if division.left is None else None
        return None if kept is None else self._from([part.entry for part in division.parts], kept)

    async def _shared(self, scan: Scan, fetch: Fetch, oldest_us: int) -> Answer:
        """Wait for a fetch under way that gives what a scan asks for, or begin one that others can wait for."""
        shelf, request = self.shelf, request_of(scan)
        flights = shelf.shared.flights
        floor_us = max(oldest_us, int(shelf.generation or 0))
        for _ in range(JOINS_MAX):
            flight = flights.under_way(shelf.name, request, floor_us)
            if flight is None or not self._fits(flight.request, request):
                break
            try:
                shared = await flights.wait(flight)
            except OmniSQLError:
                # A bound of the other statement, not of this one.
                continue
            batches = _conformed(shared.batches, scan, self.table)
            age_us = shared.age_us + max(0, self.now_us - flight.started_us)
            if batches is None or age_us > self.staleness.max_us:
                break
            if flight.request.scan != scan:
                batches = _only_keys(batches, scan)
            return replace(shared, batches=batches, shared=True, age_us=age_us)

        async def look() -> Answer | None:
            await shelf.look()
            return await self._kept(scan, oldest_us)

        async def run() -> Answer:
            return await self._fetched(scan, fetch, self.now_us)

        facts = (sorted(map(repr, request.identity)), scan.access_path, scan.columns, repr(scan.order), scan.limit)
        name = f"{shelf.name}/{shelf.seal.name(*facts)}"
        return await flights.lead(shelf.name, request, self.now_us, lambda: flights.alone(name, run, look))

    async def _fetched(self, scan: Scan, fetch: Fetch, fetched_us: int) -> Answer:
        fetched = await fetch(scan)
        answer = Answer(batches=fetched.batches, truncated=fetched.truncated, error=fetched.error)
        if fetched.error is not None or fetched.truncated is not None:
            return replace(answer, not_kept="it is incomplete")
        reason = await self.shelf.keep(request_of(scan), fetched_us, fetched.requests, fetched.batches)
        return replace(answer, not_kept=reason)

    def _divided(self, scan: Scan, oldest_us: int) -> _Division:
        index, request = self.shelf.index, request_of(scan)
        whole = index.find(request, oldest_us)
        if whole is not None and self._fits(whole.request, request):
            return _Division(parts=(_Part(entry=whole),), left=None)
        for column, values, is_key in listed_columns(scan) if scan.limit is None else ():
            if len(values) < 2 or not self._tells(request, {column, *scan.keys}):
                continue
            found: dict[str, tuple[Entry, list[Value]]] = {}
            missing: list[Value] = []
            for value in values:
                entry = index.find(with_value(request, column, typed(value)), oldest_us) if value is not None else None
                if entry is None:
                    missing.append(value)
                else:
                    found.setdefault(entry.id, (entry, []))[1].append(value)
            if found:
                parts = tuple(_Part(entry=entry, values=tuple(some)) for entry, some in found.values())
                left = with_list(scan, column, tuple(missing), is_key=is_key) if missing else None
                return _Division(parts=parts, left=left, column=column, missing=tuple(missing))
        return _Division(parts=(), left=scan)

    def _fits(self, known: Request, request: Request) -> bool:
        """Say whether rows of other keys can be told apart, where a covering request may have some."""
        return known.scan.keys == request.scan.keys or self._tells(request, set(request.scan.keys))

    def _tells(self, request: Request, columns: set[str]) -> bool:
        return columns <= request.columns and all(self.table.column(c).type_name in COMPARABLE for c in columns)

    async def _read_parts(self, scan: Scan, division: _Division) -> list[pa.RecordBatch] | None:
        """Read the rows of a division's entries; None where one of them is gone or does not fit any more."""
        batches: list[pa.RecordBatch] = []
        for part in division.parts:
            try:
                rows = await self.shelf.rows(part.entry)
            except VALKEY_ERRORS:
                rows = None
            conformed = None if rows is None else _conformed(rows, scan, self.table)
            if conformed is None:
                return None
            if part.entry.request.scan != scan:
                conformed = _only_keys(conformed, scan)
            if part.values:
                conformed = _only(conformed, division.column, part.values)
            batches += conformed
        return batches

    def _from(self, entries: Sequence[Entry], batches: Sequence[pa.RecordBatch]) -> Answer:
        for entry in entries:
            self.shelf.count_hit(entry)
        return Answer(
            batches=tuple(batches),
            age_us=self._age_us(entries),
            hits=len(entries),
            saved=sum(entry.cost for entry in entries),
        )

    def _age_us(self, entries: Iterable[Entry]) -> int:
        return max(0, *(self.now_us - entry.fetched_us for entry in entries), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkept:
    """A reading without anything kept; implements `model.freshness.Reading`."""

    reason: str

    async def read(self, scan: Scan, fetch: Fetch) -> Answer:
        """Fetch everything."""
        fetched = await fetch(scan)
        return Answer(batches=fetched.batches, truncated=fetched.truncated, error=fetched.error, not_kept=self.reason)

    def peek(self, scan: Scan) -> Answer | None:  # noqa: ARG002 - the protocol's signature
        """Say that nothing would answer."""
        return None


def _conformed(batches: Sequence[pa.RecordBatch], scan: Scan, table: Table) -> tuple[pa.RecordBatch, ...] | None:
    """Take a scan's columns in its order; None where they have not the types that the table declares now."""
    wanted = [(name, table.column(name).type.arrow) for name in scan.columns]
    if any(batch.schema.get_field_index(name) < 0 for batch in batches for name, _ in wanted):
        return None
    if any(batch.schema.field(name).type != arrow for batch in batches for name, arrow in wanted):
        return None
    return tuple(batch.select(list(scan.columns)) for batch in batches)


def _only_keys(batches: Sequence[pa.RecordBatch], scan: Scan) -> tuple[pa.RecordBatch, ...]:
    """Leave out rows of other keys: another scan of the statement may bring them too."""
    for column, value in scan.keys.items():
        batches = _only(batches, column, value if isinstance(value, tuple) else (value,))
    return tuple(batches)


def _only(batches: Sequence[pa.RecordBatch], column: str, values: Iterable[Value]) -> tuple[pa.RecordBatch, ...]:
    """Leave only rows that have one of some values in a column."""
    listed = [value for value in values if value is not None]
    kept = []
    for batch in batches:
        held = batch.column(column)
        kept.append(batch.filter(pc.is_in(held, value_set=pa.array(listed, held.type))))
    return tuple(kept)
