"""One statement's reading of one API table: what is kept answers, what is missing is fetched and kept.

A reading has one moment, Valkey's time when it began: ages are counted back from there, so that what another statement
began to fetch shortly before is as good as what was kept then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sdk.errors import ConnectorError, RateLimited, Retryable
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
from omnisql_server.freshness.entries import Entry
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Answer, Confirm, Fetch, Staleness

STEPS_FOR_LESS_MAX = 10
"""Requests that may be spent on confirming an entry of which only a part is wanted."""
WIDER_REQUESTS_MAX = 10
"""Requests that may be spent on reading what was asked for before instead of the part that is asked for now."""
WIDER_BOUNDS = 2
"""How many bounds ago it must have been asked for at most."""
JOINS_MAX = 3
COMPARABLE = frozenset({"bool", "int2", "int4", "int8", "text", "varchar", "date", "timestamp", "timestamptz"})
"""Types whose values Arrow finds equal exactly where PostgreSQL does."""


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
class _Upstream:
    """The two questions that a source can be asked."""

    fetch: Fetch
    confirm: Confirm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfReading:
    """Implements `model.freshness.Reading`."""

    shelf: Shelf
    table: Table
    staleness: Staleness
    now_us: int

    async def read(self, scan: Scan, fetch: Fetch, confirm: Confirm | None = None) -> Answer:
        """Answer a scan within the bound, by the source where nothing else does, and by older rows where it fails."""
        self.shelf.note_asked(request_of(scan), self.now_us)
        answer = await self._within(scan, _Upstream(fetch=fetch, confirm=confirm))
        if answer.error is None or not isinstance(answer.error, Retryable | RateLimited):
            return answer
        instead = (
            await self._kept(scan, self.now_us - self.staleness.if_error_us) if self.staleness.if_error_us else None
        )
        return answer if instead is None else replace(instead, stale=True, error=answer.error)

    def peek(self, scan: Scan) -> Answer | None:
        """Say what would answer a scan now, and what the source would be asked to confirm."""
        division = self._divided(scan, self.now_us - self.staleness.max_us) if self.staleness.max_us else None
        if division is None or not division.parts:
            older = [part.entry for part in self._older(scan).parts]
            return Answer(batches=(), age_us=self._age_us(older), confirmed=len(older)) if older else None
        entries = [part.entry for part in division.parts]
        left = None if division.left is None else f"{len(division.missing)} values are to be fetched"
        return Answer(batches=(), age_us=self._age_us(entries), hits=len(entries), not_kept=left)

    async def _within(self, scan: Scan, upstream: _Upstream) -> Answer:
        if self.staleness.max_us == 0:
            return await self._asked(scan, upstream)
        oldest_us = self.now_us - self.staleness.max_us
        division = self._divided(scan, oldest_us)
        kept = await self._read_parts(scan, division)
        if kept is None:
            division, kept = _Division(parts=(), left=scan), []
        if division.left is None:
            return self._from([part.entry for part in division.parts], kept)
        return self._completed(division, kept, await self._shared(division.left, upstream, oldest_us))

    def _completed(self, division: _Division, kept: Sequence[pa.RecordBatch], answer: Answer) -> Answer:
        """Add to the rows of a division's parts those of the values that it lacks."""
        entries = [part.entry for part in division.parts]
        if not entries:
            return answer
        rest = _only(answer.batches, division.column, division.missing)
        own = self._from(entries, [*kept, *rest])
        return replace(
            answer,
            batches=own.batches,
            age_us=max(answer.age_us, own.age_us),
            hits=own.hits + answer.hits,
            saved=own.saved + answer.saved,
        )

    async def _asked(self, scan: Scan, upstream: _Upstream) -> Answer:
        """Ask the source: what is kept of the scan only whether it still stands, the rest in full."""
        older = self._older(scan) if upstream.confirm is not None else _Division(parts=(), left=scan)
        keep = self.staleness.is_used or bool(older.parts)
        try:
            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(self._confirmed(part.entry, upstream)) for part in older.parts]
        except BaseExceptionGroup as failures:
            failure = _first(failures)
            if not isinstance(failure, Retryable | RateLimited):
                raise failure from failures
            return Answer(batches=(), error=failure, not_kept="it is incomplete" if keep else None)
        younger = [task.result() for task in asking]
        parts = [
            replace(part, entry=entry) for part, entry in zip(older.parts, younger, strict=True) if entry is not None
        ]
        division = _with_parts(older, scan, parts)
        kept = await self._read_parts(scan, division)
        if kept is None:
            return await self._fetched(scan, upstream, keep=keep)
        if division.left is None:
            answer = self._from([part.entry for part in parts], kept)
        else:
            answer = self._completed(division, kept, await self._fetched(division.left, upstream, keep=keep))
        return replace(answer, confirmed=len(parts))

    def _older(self, scan: Scan) -> _Division:
        """Divide a scan among entries of any age that the source can confirm."""
        division = self._divided(scan, 0)
        parts = [part for part in division.parts if _is_worth_asking(part.entry, scan)]
        return _with_parts(division, scan, parts)

    async def _confirmed(self, entry: Entry, upstream: _Upstream) -> Entry | None:
        """Return an entry as young as this reading, if its source says that nothing has changed."""
        try:
            steps = await self.shelf.steps(entry)
        except VALKEY_ERRORS:
            return None
        if not steps or upstream.confirm is None:
            return None
        try:
            stands = await upstream.confirm(steps)
        except (Retryable, RateLimited):
            raise
        except ConnectorError:
            # What is not there any more, or is denied now: the fetch says so in its own words.
            return None
        return await self.shelf.confirmed(entry, self.now_us) if stands else None

    async def _kept(self, scan: Scan, oldest_us: int) -> Answer | None:
        """Answer a scan from entries alone, None where they lack some of it."""
        division = self._divided(scan, oldest_us)
        kept = await self._read_parts(scan, division) if division.left is None else None
        return None if kept is None else self._from([part.entry for part in division.parts], kept)

    async def _shared(self, scan: Scan, upstream: _Upstream, oldest_us: int) -> Answer:
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
            narrowed = self._narrowed(shared, flight.request.scan, scan)
            age_us = shared.age_us + max(0, self.now_us - flight.started_us)
            if narrowed is None or age_us > self.staleness.max_us:
                break
            return replace(narrowed, shared=True, age_us=age_us)
        wider = self._wider(request)
        led = request if wider is None else wider.request

        async def look() -> Answer | None:
            await shelf.look()
            return await self._kept(led.scan, oldest_us)

        async def run() -> Answer:
            return await self._asked(led.scan, upstream)

        facts = (sorted(map(repr, led.identity)), led.scan.access_path, led.scan.columns, repr(led.scan.order))
        name = f"{shelf.name}/{shelf.seal.name(*facts, led.scan.limit)}"
        answer = await flights.lead(shelf.name, led, self.now_us, lambda: flights.alone(name, run, look))
        narrowed = self._narrowed(answer, led.scan, scan)
        if narrowed is None or (wider is not None and answer.truncated is not None):
            # The whole of it does not come any more: what is asked for may.
            return await self._asked(scan, upstream)
        return narrowed

    def _narrowed(self, answer: Answer, known: Scan, scan: Scan) -> Answer | None:
        """Take a scan's columns and keys from the answer to one that covers it; None where they do not fit."""
        if known == scan:
            return answer
        batches = _conformed(answer.batches, scan, self.table)
        return None if batches is None else replace(answer, batches=_only_keys(batches, scan))

    def _wider(self, request: Request) -> Entry | None:
        """Return an entry that is too old and covers a request, if it is soon to be asked for anyway.

        Who asks for all of a table again and again and for parts of it in between is better served by reading all.
        """
        asked_since_us = self.now_us - WIDER_BOUNDS * self.staleness.max_us

        def is_wanted(entry: Entry) -> bool:
            asked_us = self.shelf.asked_at(entry.request)
            return entry.cost <= WIDER_REQUESTS_MAX and asked_us is not None and asked_us >= asked_since_us

        wider = [entry for entry in self.shelf.index.covering(request) if is_wanted(entry)]
        entry = max(wider, key=lambda entry: entry.row_count, default=None)
        if entry is None or entry.request.scan == request.scan or not self._fits(entry.request, request):
            return None
        return entry

    async def _fetched(self, scan: Scan, upstream: _Upstream, *, keep: bool) -> Answer:
        fetched = await upstream.fetch(scan)
        answer = Answer(batches=fetched.batches, truncated=fetched.truncated, error=fetched.error)
        if fetched.error is not None or fetched.truncated is not None:
            return replace(answer, not_kept="it is incomplete" if keep else None)
        reason = await self.shelf.keep(request_of(scan), self.now_us, fetched) if keep else None
        return replace(answer, not_kept=reason)

    def _divided(self, scan: Scan, oldest_us: int) -> _Division:
        index, request = self.shelf.index, request_of(scan)
        whole = index.find(request, oldest_us)
        if whole is not None and self._fits(whole.request, request):
            return _Division(parts=(_Part(entry=whole),), left=None)
        for column, values, is_key in listed_columns(scan) if scan.limit is None else ():
            # Rows stay with their keys. What else changes may put a row into two parts of different age, or into none.
            if not is_key and column not in self.table.primary_key:
                continue
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

    reason: str | None

    async def read(self, scan: Scan, fetch: Fetch, confirm: Confirm | None = None) -> Answer:  # noqa: ARG002 - its own
        """Fetch everything."""
        fetched = await fetch(scan)
        return Answer(batches=fetched.batches, truncated=fetched.truncated, error=fetched.error, not_kept=self.reason)

    def peek(self, scan: Scan) -> Answer | None:  # noqa: ARG002 - the protocol's signature
        """Say that nothing would answer."""
        return None


def _is_worth_asking(entry: Entry, scan: Scan) -> bool:
    return entry.steps > 0 and (entry.request.scan == scan or entry.steps <= STEPS_FOR_LESS_MAX)


def _with_parts(division: _Division, scan: Scan, parts: Sequence[_Part]) -> _Division:
    """Return a division of which only some parts hold; the values of the others are missing, too."""
    if len(parts) == len(division.parts):
        return replace(division, parts=tuple(parts))
    held = {value for part in parts for value in part.values}
    lost = [value for part in division.parts for value in part.values if value not in held]
    if not lost or not parts:
        return _Division(parts=(), left=scan)
    missing = (*division.missing, *lost)
    is_key = division.column in scan.keys
    left = with_list(scan, division.column, missing, is_key=is_key)
    return _Division(parts=tuple(parts), left=left, column=division.column, missing=missing)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


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
