"""One statement's reading of one API table: what is kept answers, what is missing is fetched and kept.

A reading has one moment, Valkey's time when it began: ages are counted back from there, so that what another statement
began to fetch shortly before is as good as what was kept then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa

from connectors.sdk.errors import RateLimited, Retryable
from connectors.sdk.misfits import added
from connectors.sdk.scan import Scan
from connectors.sdk.table import Table
from omnisql_server.errors import OmniSQLError, SharedFetchEnded
from omnisql_server.freshness.asked import name_of
from omnisql_server.freshness.checkpoints import Resuming
from omnisql_server.freshness.collecting import Collecting
from omnisql_server.freshness.division import Division, conformed, divided, fits, only, only_keys, with_parts
from omnisql_server.freshness.domains import Request, covers, request_of
from omnisql_server.freshness.entries import Entry
from omnisql_server.freshness.index import Age
from omnisql_server.freshness.narrowing import Narrowing
from omnisql_server.freshness.relay import Relay
from omnisql_server.freshness.renewal import Renewal, Upstream, with_primary_key
from omnisql_server.freshness.shared_pages import SharedPages, ended
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Answer, Confirm, Fetch, Fetched, Give, Later, Staleness, answer_of

WIDER_REQUESTS_MAX = 10
"""Requests that may be spent on reading what was asked for before instead of the part that is asked for now."""
WIDER_BOUNDS = 2
"""How many bounds ago it must have been asked for at most."""
RECENT_MAX = 200
"""Requests, those asked for last, by which that is judged."""
JOINS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfReading:
    """Implements `model.freshness.Reading`."""

    shelf: Shelf
    table: Table
    staleness: Staleness
    now_us: int

    async def read(
        self,
        scan: Scan,
        fetch: Fetch,
        confirm: Confirm | None = None,
        calls_left: int | None = None,
        later: Later | None = None,
        give: Give | None = None,
    ) -> Answer:
        """Answer a scan within the bound, by the source where nothing else does, and by older rows where it fails."""
        keyed = with_primary_key(scan, self.table, self.staleness)
        if give is not None and keyed != scan:
            give = _selecting(list(scan.columns), give)
        self.shelf.asked.note(request_of(keyed), self.now_us)
        answer = None if later is None else await self._meanwhile(keyed, later)
        if answer is None:
            upstream = Upstream(fetch=fetch, confirm=confirm, calls_left=calls_left, give=give)
            answer = await self._within(keyed, upstream)
        if self.staleness.if_error_us and isinstance(answer.error, Retryable | RateLimited):
            instead = await self._kept(keyed, self._age(self.now_us - self.staleness.if_error_us))
            answer = answer if instead is None else replace(instead, stale=True, error=answer.error)
        if keyed == scan:
            return answer
        return replace(answer, batches=tuple(batch.select(list(scan.columns)) for batch in answer.batches))

    def peek(self, scan: Scan) -> Answer | None:
        """Say what would answer a scan now, and what the source would be asked to confirm."""
        scan = with_primary_key(scan, self.table, self.staleness)
        division = self._divided(scan, self._oldest_us(scan)) if self.staleness.max_us else None
        if division is None or not division.parts:
            older = [part.entry for part in self._older(scan).parts]
            return Answer(batches=(), age_us=self._age_us(older), confirmed=len(older)) if older else None
        entries = [part.entry for part in division.parts]
        left = None if division.left is None else f"{len(division.missing)} values are to be fetched"
        return Answer(batches=(), age_us=self._age_us(entries), hits=len(entries), not_kept=left)

    async def _meanwhile(self, scan: Scan, later: Later) -> Answer | None:
        """Answer by rows that are too old, but not by much, and have them read again; None where there are none."""
        bound_us, allowed_us = self.staleness.max_us, self.staleness.revalidate_us
        if not 0 < bound_us < allowed_us or self._divided(scan, self._oldest_us(scan)).left is None:
            return None
        instead = await self._kept(scan, self._age(self.now_us - allowed_us))
        if instead is None:
            return None
        upstream = Upstream(fetch=later.fetch, confirm=later.confirm, calls_left=later.calls_left, sparing=True)
        name = f"{self.shelf.name}/{name_of(self.shelf.seal, request_of(scan))}"
        self.shelf.refresh(name, later.what, lambda: self._within(scan, upstream))
        return replace(instead, refreshing=True)

    async def _within(self, scan: Scan, upstream: Upstream) -> Answer:
        if self.staleness.max_us == 0:
            return await self._asked(scan, upstream)
        oldest_us = self._oldest_us(scan)
        division = self._divided(scan, oldest_us)
        kept = await self._read_parts(scan, division)
        if kept is None:
            division, kept = Division(parts=(), left=scan), []
        if division.left is None:
            return self._from([part.entry for part in division.parts], kept)
        if division.parts:
            upstream = replace(upstream, give=None)
        return self._completed(division, kept, await self._shared(division.left, upstream, oldest_us))

    def _completed(self, division: Division, kept: Sequence[pa.RecordBatch], answer: Answer) -> Answer:
        """Add to the rows of a division's parts those of the values that it lacks."""
        entries = [part.entry for part in division.parts]
        if not entries:
            return answer
        rest = only(answer.batches, division.column, division.missing)
        own = self._from(entries, [*kept, *rest])
        return replace(
            answer,
            batches=own.batches,
            age_us=max(answer.age_us, own.age_us),
            hits=own.hits + answer.hits,
            saved=own.saved + answer.saved,
            full_age_us=max(own.full_age_us, answer.full_age_us),
            misfits=added(own.misfits, answer.misfits),
        )

    async def _asked(self, scan: Scan, upstream: Upstream) -> Answer:
        """Ask the source: what is kept of the scan only whether it still stands, the rest in full."""
        older = self._older(scan)
        if older.parts:
            upstream = replace(upstream, give=None)
        renewal = Renewal(shelf=self.shelf, table=self.table, staleness=self.staleness, now_us=self.now_us)
        keep = self.staleness.is_used or bool(older.parts)
        try:
            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(renewal.of(part.entry, upstream)) for part in older.parts]
        except BaseExceptionGroup as failures:
            failure = _first(failures)
            if not isinstance(failure, Retryable | RateLimited):
                raise failure from failures
            return Answer(batches=(), error=failure, not_kept="it is incomplete" if keep else None)
        younger = [task.result() for task in asking]
        parts = [
            replace(part, entry=entry) for part, entry in zip(older.parts, younger, strict=True) if entry is not None
        ]
        division = with_parts(older, scan, parts)
        kept = await self._read_parts(scan, division)
        if kept is None:
            return await self._fetched(scan, upstream, keep=keep)
        if division.left is None:
            answer = self._from([part.entry for part in parts], kept)
        else:
            answer = self._completed(division, kept, await self._fetched(division.left, upstream, keep=keep))
        confirmed = len({part.entry.id for part in parts} & {part.entry.id for part in older.parts})
        return replace(answer, confirmed=confirmed, merged=len(parts) - confirmed)

    def _older(self, scan: Scan) -> Division:
        """Divide a scan among entries of any age that the source can confirm, or tell the changes of."""
        division = self._divided(scan, 0)
        renewal = Renewal(shelf=self.shelf, table=self.table, staleness=self.staleness, now_us=self.now_us)
        parts = [part for part in division.parts if renewal.is_worth_it(part.entry, scan)]
        return with_parts(division, scan, parts)

    def _divided(self, scan: Scan, oldest_us: int) -> Division:
        return divided(self.shelf.index, self.table, scan, self._age(oldest_us))

    def _oldest_us(self, scan: Scan) -> int:
        """Return since when an entry must have been read: within the bound, and since the source told of a change."""
        return max(self.now_us - self.staleness.max_us, self.shelf.changes.since_us(request_of(scan)))

    def _age(self, oldest_us: int) -> Age:
        """Bound the age of entries, and that of the last full reading of those that changes were merged into."""
        full_read_us = self.staleness.full_read_us
        return Age(oldest_us=oldest_us, full_us=min(oldest_us, self.now_us - full_read_us) if full_read_us else None)

    async def _kept(self, scan: Scan, age: Age) -> Answer | None:
        """Answer a scan from entries alone, None where they lack some of it."""
        division = divided(self.shelf.index, self.table, scan, age)
        kept = await self._read_parts(scan, division) if division.left is None else None
        return None if kept is None else self._from([part.entry for part in division.parts], kept)

    async def _shared(self, scan: Scan, upstream: Upstream, oldest_us: int) -> Answer:
        """Wait for a fetch under way that gives what a scan asks for, or begin one that others can wait for."""
        request, floor_us = request_of(scan), max(oldest_us, self.shelf.floor_us)
        # Who allows another time between full readings does not get what was merged for this one.
        group = f"{self.shelf.name}@{self.staleness.full_read_us}"
        joined = await self._joined(group, request, upstream, floor_us)
        if joined is not None:
            return joined
        wider = self._wider(request, upstream)
        led = request if wider is None else wider.request
        # Of more than is asked for, it may turn out that not all comes.
        give = upstream.give if wider is None else None
        narrowing = Narrowing(known=led.scan, scan=scan, table=self.table)
        try:
            answer = await self._led(group, led, replace(upstream, give=narrowing.giving(give)), oldest_us)
        except SharedFetchEnded:
            if narrowing.given:
                raise
            return await self._asked(scan, upstream)
        batches = narrowing.of(answer.batches)
        if batches is None or (wider is not None and (answer.truncated is not None or answer.is_unfit_for(scan))):
            # The whole of it does not come any more: what is asked for may.
            return await self._asked(scan, upstream)
        return replace(answer, batches=batches)

    async def _joined(self, group: str, request: Request, upstream: Upstream, floor_us: int) -> Answer | None:
        """Take part in a fetch under way in this process; None where there is none that will do.

        Raises:
            SharedFetchEnded: it was stopped by a bound of another statement, after rows of it went out as this one's.
        """
        flights = self.shelf.shared.flights
        for _ in range(JOINS_MAX):
            flight = flights.under_way(group, request, floor_us)
            if flight is None or not fits(self.table, flight.request, request):
                return None
            narrowing = Narrowing(known=flight.request.scan, scan=request.scan, table=self.table)
            try:
                shared = await flights.wait(flight, narrowing.giving(upstream.give))
            except OmniSQLError as error:
                # A bound of the other statement, not of this one.
                if narrowing.given:
                    raise ended() from error
                continue
            if shared.error is not None and flight.sparing and not narrowing.given:
                return None
            batches = narrowing.of(shared.batches)
            age_us = shared.age_us + max(0, self.now_us - flight.started_us)
            unfit = narrowing.unfit or shared.is_unfit_for(request.scan)
            if batches is None or unfit or age_us > self.staleness.max_us:
                if narrowing.given:
                    raise ended()
                return None
            return replace(shared, batches=batches, shared=True, age_us=age_us)
        return None

    async def _led(self, group: str, led: Request, upstream: Upstream, oldest_us: int) -> Answer:
        """Begin a fetch that others can take part in, unless another process has begun it."""
        shelf, flights = self.shelf, self.shelf.shared.flights

        async def look() -> Answer | None:
            await shelf.look()
            return await self._kept(led.scan, self._age(max(oldest_us, self._oldest_us(led.scan))))

        async def ask(give: Give) -> Answer:
            return await self._asked(led.scan, replace(upstream, give=give))

        facts = (sorted(map(repr, led.identity)), led.scan.access_path, led.scan.columns, repr(led.scan.order))
        relay = Relay(
            store=shelf.shared.store,
            seal=shelf.seal,
            name=f"{shelf.name}/{shelf.seal.name(*facts, led.scan.limit)}",
            began_us=self.now_us,
            oldest_us=max(oldest_us, shelf.floor_us),
            bytes_max=shelf.shared.entry_bytes_max,
        )

        async def run(pages: SharedPages) -> Answer:
            return await flights.alone(relay, ask, look, pages)

        give, key = upstream.give, self._key_of(led.scan)
        return await flights.lead(group, led, self.now_us, run, sparing=upstream.sparing, give=give, key=key)

    def _key_of(self, scan: Scan) -> tuple[str, ...]:
        """Return columns by which rows of one reading of a scan are known in another; none where order counts."""
        tells = scan.limit is None and not scan.order and set(self.table.primary_key) <= set(scan.columns)
        return self.table.primary_key if tells else ()

    def _wider(self, request: Request, upstream: Upstream) -> Entry | None:
        """Return an entry that is too old and covers a request, if more of it is soon to be asked for anyway.

        Who asks for all of a table again and again, or for this part of it and others, is better served by reading all.
        """
        recent = self.shelf.asked.since(self.now_us - WIDER_BOUNDS * self.staleness.max_us)
        others = [other for other in islice(recent, RECENT_MAX) if not covers(request, other)]
        # Other scans of the statement have calls to make, too.
        left = upstream.calls_left
        requests_max = WIDER_REQUESTS_MAX if left is None else min(WIDER_REQUESTS_MAX, left // 4)

        def is_wanted(entry: Entry) -> bool:
            return entry.cost <= requests_max and any(covers(entry.request, other) for other in others)

        wider = [entry for entry in self.shelf.index.covering(request) if is_wanted(entry)]
        entry = max(wider, key=lambda entry: entry.row_count, default=None)
        if entry is None or entry.request.scan == request.scan or not fits(self.table, entry.request, request):
            return None
        return entry

    async def _fetched(self, scan: Scan, upstream: Upstream, *, keep: bool) -> Answer:
        if keep:
            fetched, given, began_us = await self._gone_on(scan, upstream)
        else:
            fetched, given, began_us = await upstream.fetch(scan, give=upstream.give), 0, self.now_us
        answer = Answer(
            batches=fetched.batches[given:],
            truncated=fetched.truncated,
            error=fetched.error,
            age_us=self.now_us - began_us,
            resumed_at=fetched.resumed_at,
            misfits=fetched.misfits,
        )
        if fetched.error is not None or fetched.truncated is not None:
            return replace(answer, not_kept="it is incomplete" if keep else None)
        reason = await self.shelf.keep(request_of(scan), began_us, fetched) if keep else None
        return replace(answer, not_kept=reason)

    async def _gone_on(self, scan: Scan, upstream: Upstream) -> tuple[Fetched, int, int]:
        """Read a scan, from the page where an earlier reading failed, if there is one within the bound.

        All of its batches are returned, with how many of them were given away already, and when the reading began.
        """
        path = next(path for path in self.table.access_paths if path.name == scan.access_path)
        fetching = Collecting(fetch=upstream.fetch, give=upstream.give)
        if not path.resumes or self.staleness.max_us == 0:
            return await fetching.read(scan), fetching.given, self.now_us
        oldest_us = self._oldest_us(scan)
        resuming = Resuming(shelf=self.shelf, scan=scan, oldest_us=oldest_us, now_us=self.now_us)
        fetched, began_us = await resuming.read(fetching.read)
        return fetched, fetching.given, began_us

    async def _read_parts(self, scan: Scan, division: Division) -> list[pa.RecordBatch] | None:
        """Read the rows of a division's entries; None where one of them is gone or does not fit any more."""
        batches: list[pa.RecordBatch] = []
        for part in division.parts:
            try:
                rows = await self.shelf.rows(part.entry)
            except VALKEY_ERRORS:
                rows = None
            fitting = None if rows is None else conformed(rows, scan, self.table)
            if fitting is None:
                return None
            if part.entry.request.scan != scan:
                fitting = only_keys(fitting, scan)
            if part.values:
                fitting = only(fitting, division.column, part.values)
            batches += fitting
        return batches

    def _from(self, entries: Sequence[Entry], batches: Sequence[pa.RecordBatch]) -> Answer:
        for entry in entries:
            self.shelf.count_hit(entry)
        return Answer(
            batches=tuple(batches),
            age_us=self._age_us(entries),
            entries=tuple(entry.id for entry in entries),
            hits=len(entries),
            saved=sum(entry.cost for entry in entries),
            full_age_us=max((self.now_us - entry.full_us for entry in entries if entry.is_merged), default=0),
            misfits=added(*(entry.misfits for entry in entries)),
        )

    def _age_us(self, entries: Iterable[Entry]) -> int:
        return max(0, *(self.now_us - entry.fetched_us for entry in entries), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkept:
    """A reading without anything kept; implements `model.freshness.Reading`."""

    reason: str | None

    async def read(
        self,
        scan: Scan,
        fetch: Fetch,
        confirm: Confirm | None = None,  # noqa: ARG002 - the protocol's signature
        calls_left: int | None = None,  # noqa: ARG002
        later: Later | None = None,  # noqa: ARG002
        give: Give | None = None,
    ) -> Answer:
        """Fetch everything."""
        fetched = await fetch(scan, give=give)
        return replace(answer_of(fetched), not_kept=self.reason)

    def peek(self, scan: Scan) -> Answer | None:  # noqa: ARG002 - the protocol's signature
        """Say that nothing would answer."""
        return None


def _selecting(columns: list[str], give: Give) -> Give:
    async def given(batch: pa.RecordBatch) -> None:
        await give(batch.select(columns))

    return given


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
