"""One statement on its way: notes what its answer depends on, and its bytes, so that it may be given again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from catalog.version import Version
from connectors.sdk.conditional import SharedBodies
from connectors.sdk.scan import Scan
from connectors.sdk.table import Table
from omnisql_server.fetch.scheduler import OpenSource
from omnisql_server.freshness.domains import request_of
from omnisql_server.freshness.reading import ShelfReading
from omnisql_server.model.freshness import Answer, Confirm, Fetch, Give, Later, Reading, ScanCache, Staleness
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.query import AuthorizedQuery
from omnisql_server.model.report import SourceReport
from omnisql_server.model.statement import Statement
from omnisql_server.policy.decide import Standing
from omnisql_server.repeats.store import Place
from wire.rows import EncodedRows

Open = Callable[[ScanPlan], Awaitable[OpenSource]]


@dataclass(slots=True, kw_only=True)
class Keeping:
    """What is known of a statement's answer so far; `version` is the catalog's from before it was bound.

    `places` are what its scans were answered from, `spoiled` says that one was answered otherwise.
    """

    key: Hashable
    origin: object
    statement: Statement
    query: AuthorizedQuery
    standing: Standing
    version: Version | None
    bytes_max: int
    places: dict[str, Place] = field(default_factory=dict)
    spoiled: bool = False
    chunks: list[EncodedRows] = field(default_factory=list)

    def noted(self, open_source: Open) -> Open:
        """Have what scans are answered from noted."""

        async def opened(plan: ScanPlan) -> OpenSource:
            source = await open_source(plan)
            if source.cache is None or source.staleness.max_us == 0:
                self.spoiled = True
                return source
            return replace(source, cache=_NotedCache(cache=source.cache, keeping=self, scan_name=plan.scan_name))

        return opened

    def note_began(self, scan_name: str, reading: Reading, staleness: Staleness) -> None:
        """Note the state of a shelf at the moment to which a reading belongs."""
        if not isinstance(reading, ShelfReading):
            self.spoiled = True
            return
        self.places[scan_name] = Place(
            scan_name=scan_name,
            shelf=reading.shelf,
            generation=reading.shelf.known.generation,
            number=reading.shelf.known.number,
            change=reading.shelf.known.change,
            now_us=reading.now_us,
            fetched_us=reading.now_us,
            max_us=staleness.max_us,
        )

    def note_answered(self, scan_name: str, scan: Scan, answer: Answer) -> None:
        """Note which entries answered one of a scan's requests, the age of the oldest with it."""
        place = self.places[scan_name]
        fetched_us = min(place.fetched_us, place.now_us - answer.age_us)
        self.places[scan_name] = replace(
            place,
            fetched_us=fetched_us,
            entries=(*place.entries, *answer.entries),
            requests=(*place.requests, request_of(scan)),
        )

    def is_pure(self, reports: tuple[SourceReport, ...]) -> bool:
        """Say whether everything came from what is kept, completely, and nothing else is to be said of it."""
        return not self.spoiled and all(
            report.complete
            and not report.requests
            and report.stale is None
            and report.cache_note is None
            and not report.misfits
            and (report.cache_hits > 0) == (report.scan_name in self.places)
            for report in reports
        )

    async def collected(self, rows: AsyncIterator[EncodedRows]) -> AsyncGenerator[EncodedRows, None]:
        """Pass rows on and remember their bytes, as long as they are not too many."""
        size_bytes = 0
        async for chunk in rows:
            size_bytes += len(chunk.data)
            if size_bytes > self.bytes_max:
                self.spoiled = True
                self.chunks.clear()
            elif not self.spoiled:
                self.chunks.append(chunk)
            yield chunk

    def joined(self) -> EncodedRows:
        """Return all rows as one chunk of bytes that nobody changes."""
        ends, total = [], 0
        for chunk in self.chunks:
            ends.append(chunk.ends + total)
            total += len(chunk.data)
        data = memoryview(b"".join(chunk.data for chunk in self.chunks))
        return EncodedRows(data=data, ends=np.concatenate(ends) if ends else np.empty(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotedCache:
    """Implements `model.freshness.ScanCache` over another."""

    cache: ScanCache
    keeping: Keeping
    scan_name: str

    async def begin(self, table: Table, staleness: Staleness) -> Reading:
        reading = await self.cache.begin(table, staleness)
        self.keeping.note_began(self.scan_name, reading, staleness)
        return _NotedReading(reading=reading, keeping=self.keeping, scan_name=self.scan_name)

    def bodies(self, *, kept: bool) -> SharedBodies:
        return self.cache.bodies(kept=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotedReading:
    """Implements `model.freshness.Reading` over another."""

    reading: Reading
    keeping: Keeping
    scan_name: str

    async def read(
        self,
        scan: Scan,
        fetch: Fetch,
        confirm: Confirm | None = None,
        calls_left: int | None = None,
        later: Later | None = None,
        give: Give | None = None,
    ) -> Answer:
        answer = await self.reading.read(scan, fetch, confirm, calls_left, later, give)
        if answer.entries and not answer.refreshing and not self.keeping.spoiled:
            self.keeping.note_answered(self.scan_name, scan, answer)
        else:
            self.keeping.spoiled = True
        return answer

    def peek(self, scan: Scan) -> Answer | None:
        return self.reading.peek(scan)
