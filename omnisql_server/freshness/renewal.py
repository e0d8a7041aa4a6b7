"""Making an entry young again: its source confirms it, or tells what has changed since, which is merged into it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.sdk.errors import ConnectorError, RateLimited, Retryable
from connectors.sdk.misfits import added
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.table import Delta, Table
from omnisql_server.freshness.division import conformed, merged
from omnisql_server.freshness.entries import Entry
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Confirm, Fetch, Give, Staleness

STEPS_FOR_LESS_MAX = 10
"""Requests that may be spent on confirming an entry of which only a part is wanted."""
ROWS_FOR_A_THREAD = 2000
COST_MERGED_MIN = 2
"""Requests of a full reading below which asking for changes saves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The two questions that a source can be asked, and how many calls may be made for them, None for any number.

    `sparing` says that they are only asked where the source's limits have something to spare. `give` takes the rows of
    what is asked for as they come, where that is the whole answer.
    """

    fetch: Fetch
    confirm: Confirm | None
    calls_left: int | None = None
    sparing: bool = False
    give: Give | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Renews entries of a shelf as of one moment."""

    shelf: Shelf
    table: Table
    staleness: Staleness
    now_us: int

    def is_worth_it(self, entry: Entry, scan: Scan) -> bool:
        """Say whether a source is asked about an entry before a scan that it covers is fetched."""
        if entry.is_merged and not self._is_read_lately(entry):
            return False
        if self._delta_of(entry) is not None:
            return True
        return entry.steps > 0 and (entry.request.scan == scan or entry.steps <= STEPS_FOR_LESS_MAX)

    async def of(self, entry: Entry, upstream: Upstream) -> Entry | None:
        """Return an entry as young as this moment, None where it has to be fetched.

        Raises:
            ConnectorError: the source cannot be asked at the moment.
        """
        try:
            if await self._is_confirmed(entry, upstream):
                return await self.shelf.confirmed(entry, self.now_us)
            delta = self._delta_of(entry)
            return None if delta is None else await self._merged(entry, delta, upstream)
        except VALKEY_ERRORS:
            return None
        except ConnectorError as error:
            if isinstance(error, Retryable | RateLimited):
                raise
            # What is not there any more, or is denied now: the fetch says so in its own words.
            return None

    async def _is_confirmed(self, entry: Entry, upstream: Upstream) -> bool:
        steps = await self.shelf.steps(entry) if entry.steps and upstream.confirm is not None else ()
        return bool(steps) and upstream.confirm is not None and await upstream.confirm(steps)

    async def _merged(self, entry: Entry, delta: Delta, upstream: Upstream) -> Entry | None:
        """Ask for all rows that changed since the entry was read, whatever else it was asked for.

        A row that does not meet the entry's conditions any more replaces the one that did; who uses the entry evaluates
        its conditions again.
        """
        scan = entry.request.scan
        rows = await self.shelf.rows(entry)
        since = datetime.fromisoformat(entry.changes_since) - timedelta(seconds=delta.overlap_s)
        changes = Predicate(column=delta.column, operator=Operator.GE, value=since)
        kept = tuple(predicate for predicate in scan.predicates if predicate.column in delta.keeps)
        either = tuple(each for each in scan.disjunctions if {p.column for p in each.predicates} <= set(delta.keeps))
        fetched = await upstream.fetch(replace(scan, predicates=(*kept, changes), disjunctions=either, order=()))
        if fetched.error is not None:
            raise fetched.error
        known = None if rows is None else conformed(rows, scan, self.table)
        if known is None or fetched.truncated is not None or fetched.asked_at is None:
            return None
        if entry.row_count > ROWS_FOR_A_THREAD:
            batches = await asyncio.to_thread(merged, known, fetched.batches, self.table.primary_key)
        else:
            batches = merged(known, fetched.batches, self.table.primary_key)
        changed = replace(fetched, batches=batches, misfits=added(entry.misfits, fetched.misfits))
        return await self.shelf.replaced(entry, changed, self.now_us, whole=delta.is_complete)

    def _delta_of(self, entry: Entry) -> Delta | None:
        """Return how changes since an entry was read are asked for, if they may be merged into it."""
        scan = entry.request.scan
        delta = delta_of(scan, self.table, self.staleness)
        if delta is None or not entry.changes_since or entry.cost < COST_MERGED_MIN:
            return None
        has_key = set(self.table.primary_key) <= set(scan.columns)
        return delta if has_key and (delta.is_complete or self._is_read_lately(entry)) else None

    def _is_read_lately(self, entry: Entry) -> bool:
        if self.staleness.max_us == 0:
            return False
        return entry.full_us >= self.now_us - max(self.staleness.full_read_us, self.staleness.max_us)


def delta_of(scan: Scan, table: Table, staleness: Staleness) -> Delta | None:
    """Return how changes of a scan's rows are asked for, if it is declared and what that does not tell is allowed."""
    path = next(path for path in table.access_paths if path.name == scan.access_path)
    if path.delta is None or scan.limit is not None:
        return None
    # A bound of 0 is for those who must not see a row that is deleted.
    is_allowed = staleness.full_read_us > 0 and staleness.max_us > 0
    return path.delta if path.delta.is_complete or is_allowed else None


def with_primary_key(scan: Scan, table: Table, staleness: Staleness) -> Scan:
    """Return a scan that also reads the primary key, where changes are merged by it and it costs no requests."""
    lacking = [name for name in table.primary_key if name not in scan.columns]
    if not lacking or delta_of(scan, table, staleness) is None or any(table.column(c).hydrate for c in lacking):
        return scan
    return replace(scan, columns=(*scan.columns, *lacking))
